"""The documentation's site: `make docs` builds it into `docs/_build/html`."""

project = "gristmill"
html_title = "gristmill"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
smartquotes = False  # quotes in prose are those of TOML
default_role = "code"  # of docstrings, whose names stand in single backticks

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["copy.js"]
html_show_copyright = html_show_sphinx = html_copy_source = False

nb_execution_mode = "off"  # the notebook is shown as it was run; a test runs it anew
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
python_maximum_signature_line_length = 100  # a longer one has a line for each argument
python_use_unqualified_type_names = True
