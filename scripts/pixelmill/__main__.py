"""Run the command `pixelmill` as ``python -m pixelmill``."""

from pixelmill.app.command import main

if __name__ == "__main__":
    main()
