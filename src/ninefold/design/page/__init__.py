"""Results as one HTML page: nothing is loaded from anywhere, and the same input gives the same bytes.

`report`, `audit` and `compare` say what is on a page, in blocks (`blocks`); `render` and the templates
say how a block looks. Every text is escaped by the templates; only drawings, made by `ink` and
`drawing` from XML elements, are put in as they are.
"""

from ninefold.design.page.audit import audit_page
from ninefold.design.page.compare import compare_page
from ninefold.design.page.report import report_page

__all__ = ["audit_page", "compare_page", "report_page"]
