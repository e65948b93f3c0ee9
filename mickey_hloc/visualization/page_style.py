"""Looks of the pages: light and dark, wide windows and phones."""

# Whatever a page contains, it loads nothing from anywhere. plotly compiles its shaders' code, hence unsafe-eval.
SECURITY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:; "
    "font-src data:"
)

STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1a1a1a; --rule: #8884; }
@media (prefers-color-scheme: dark) { :root { --paper: #16181b; --ink: #e6e6e6; } }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 1400px; margin: 0 auto; padding: 1.5rem 1rem;
  background: var(--paper); color: var(--ink); overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.statement { font-size: 1.1rem; border-left: 5px solid #009E73; padding: .4rem 1rem; white-space: pre-line; }
.failed .statement { border-color: #D55E00; }
.text { white-space: pre-line; max-width: 75ch; }
.wide { overflow-x: auto; max-width: 100%; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
td, th { padding: .25rem .7rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--rule); }
th { font-weight: 600; } .numbers th { font-weight: 500; opacity: .75; padding-left: 0; }
.numbers td { overflow-wrap: anywhere; }
.list td { white-space: nowrap; } .list th { vertical-align: bottom; } .list .number { text-align: right; }
.list th:first-child, .list td:first-child { position: sticky; left: 0; background: var(--paper);
  white-space: normal; overflow-wrap: anywhere; min-width: 8rem; max-width: 45vw; padding-left: 0; }
figure { margin: 1.2rem 0; min-width: 0; } img { max-width: 100%; height: auto; display: block; background: #fff; }
figure img { cursor: zoom-in; }
.full { position: fixed; inset: 0; z-index: 9; margin: 0; padding: .5rem; overflow: auto; background: var(--paper); }
.full img { max-width: none; cursor: zoom-out; }
.measure { margin: .3rem 0; font-weight: 500; }
figcaption { opacity: .8; font-size: .92rem; margin-top: .3rem; }
summary { cursor: pointer; margin: .8rem 0; } footer { margin-top: 3rem; opacity: .7; font-size: .85rem; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(520px, 100%), 1fr)); gap: 0 1rem; }
"""

# Charts take the page's ink, also where the reader changes from light to dark.
SCRIPT = """
(function () {
  function ink() {
    var color = getComputedStyle(document.body).color;
    document.querySelectorAll('.js-plotly-plot').forEach(function (chart) {
      Plotly.relayout(chart, {'font.color': color});
    });
  }
  // the first of two charts was drawn before the second took its half of the row
  document.querySelectorAll('.js-plotly-plot').forEach(function (chart) { Plotly.relayout(chart, {autosize: true}); });
  // a narrow window sees a scene from farther away, so that its axes' numbers stay within
  document.querySelectorAll('.js-plotly-plot').forEach(function (chart) {
    var scene = chart._fullLayout.scene, meta = chart.layout.meta;
    if (!scene || !meta || !meta.farther) { return; }
    var size = chart._fullLayout._size, aspect = size.w / size.h, last = meta.farther[meta.farther.length - 1];
    var found = meta.farther.find(function (entry) { return entry[0] <= aspect; });
    var far = found ? found[1] : last[1] * last[0] / aspect, eye = scene.camera.eye;
    Plotly.relayout(chart, {'scene.camera.eye': {x: far * eye.x, y: far * eye.y, z: far * eye.z}});
  });
  // a click shows a picture in its own size, so that what is written in it can be read on a phone
  document.querySelectorAll('figure img').forEach(function (picture) {
    picture.addEventListener('click', function () { picture.closest('figure').classList.toggle('full'); });
  });
  // two clicks in a scene measure the distance between two points
  document.querySelectorAll('.js-plotly-plot').forEach(function (chart) {
    if (!chart._fullLayout.scene) { return; }
    var first = null, note = document.createElement('p'), meta = chart.layout.meta;
    var unit = meta && meta.unit || 'm';
    note.className = 'measure';
    note.textContent = 'Click two points to measure between them.';
    var figure = chart.closest('figure');
    figure.insertBefore(note, figure.querySelector('figcaption'));
    chart.on('plotly_click', function (event) {
      var point = event.points[0];
      if (first === null) {
        first = point;
        note.textContent = 'Click a second point.';
        return;
      }
      var length = Math.hypot(point.x - first.x, point.y - first.y, point.z - first.z);
      note.textContent = length.toFixed(3) + ' ' + unit + ' between the two points. Click two points to measure again.';
      first = null;
    });
  });
  ink();
  window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', ink);
})();
"""
