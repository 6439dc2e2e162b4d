"""Answers: the only code that knows aiohttp.web."""
