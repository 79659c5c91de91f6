"""The documentation's site: `make docs` builds it into `docs/_build/html`."""

project = "gristmill"
html_title = "gristmill"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
smartquotes = False  # quotes in prose are those of TOML
default_role = "code"  # of docstrings, whose names stand in single backticks

html_theme = "furo"
html_show_copyright = html_show_sphinx = html_copy_source = False

nb_execution_mode = "off"  # the notebook is shown as it was run; a test runs it anew
myst_heading_anchors = 3
suppress_warnings = [
    "myst.xref_missing"
]  # `<a id>` of the settings is unknown to MyST; tests/test_docs.py checks every link

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
