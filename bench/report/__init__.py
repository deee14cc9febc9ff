"""The report page: results of one condition as static files that a browser opens without a server.

`page.write_page` writes the folder. Its data files are JavaScript assignments, because a page from ``file://``
may not fetch JSON. `assets` holds the page itself: HTML, style, scripts without a build step, and the chart
library.
"""
