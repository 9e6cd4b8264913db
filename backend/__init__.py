"""The project: settings, doors to the outside, and the few words every app shares."""
