"""Codecs: image files decoded and encoded, with their colours, metadata and limits."""
