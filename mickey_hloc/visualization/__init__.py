"""Pictures: matches, depth and score maps, 3-D scenes, the HTML report."""

from mickey_hloc.visualization.canvas import rgb_cube
from mickey_hloc.visualization.files import save_image
from mickey_hloc.visualization.frustum import SceneCamera
from mickey_hloc.visualization.maps import draw_depth_map, draw_score_map
from mickey_hloc.visualization.matches import draw_matches
from mickey_hloc.visualization.page import Page
from mickey_hloc.visualization.scene3d import SceneLinks, ScenePoints, draw_scene, save_scene
from mickey_hloc.visualization.two_view_scene import two_view_scene

__all__ = [
    "Page",
    "SceneCamera",
    "SceneLinks",
    "ScenePoints",
    "draw_depth_map",
    "draw_matches",
    "draw_scene",
    "draw_score_map",
    "rgb_cube",
    "save_image",
    "save_scene",
    "two_view_scene",
]
