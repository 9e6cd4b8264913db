"""Where a customer came from, as clients send it: stored as it comes, never refused."""

from typing import Any, Final

from rest_framework import serializers

_LONGEST: Final = 64


class SourceSerializer(serializers.Serializer[Any]):
    """`{scene, channel, guide, sharer, room}`, each optional. Other keys are dropped."""

    scene = serializers.CharField(required=False, help_text="WeChat's scene number.")
    channel = serializers.CharField(required=False)
    guide = serializers.CharField(required=False)
    sharer = serializers.CharField(required=False)
    room = serializers.CharField(required=False)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """A mini program in the field can't be asked to send it again: take what is usable."""
        if not isinstance(data, dict):
            return {}
        return {
            name: str(data[name]).replace("\x00", "")[:_LONGEST]
            for name in self.fields
            if isinstance(data.get(name), str | int) and data[name] != ""
        }
