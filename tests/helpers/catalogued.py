"""Files in a folder of which a catalog is made."""

TEXT = b"this is text and no image, whatever its name says"


def put(folder, path, content):
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return target
