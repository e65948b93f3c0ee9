"""Pictures: matches, depth and score maps, 3-D scenes, the HTML report."""

from mickey_hloc.visualization.files import save_image
from mickey_hloc.visualization.maps import draw_depth_map, draw_score_map
from mickey_hloc.visualization.matches import draw_matches

__all__ = ["draw_depth_map", "draw_matches", "draw_score_map", "save_image"]
