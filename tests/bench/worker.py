"""A worker's process that gives one grant to its end, step by step, as the sweep does."""

import sys

import django

django.setup()

from coupons import grants  # noqa: E402


def main() -> None:
    while grants.step(int(sys.argv[1])):
        pass


if __name__ == "__main__":
    main()
