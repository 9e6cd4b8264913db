"""The sandbox against WeChat's documentation."""
