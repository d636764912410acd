from pixelmill.app.api import generate as generate
from pixelmill.app.api import plan as plan
from pixelmill.app.api import process as process
from pixelmill.app.api import verify as verify
from pixelmill.core.errors import ImageError as ImageError
from pixelmill.core.errors import UserError as UserError
from pixelmill.imaging.recipe import Recipe as Recipe
from pixelmill.imaging.steps.registry import step as step

__version__: str
