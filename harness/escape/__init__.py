"""Names from outside are text on every way out: one module for each.

Models, pruners, tasks, labels, paths, reasons and warnings come from data, records, plugins and
folders of others. In records they stand as they are (JSON quotes them by itself); whatever shows
them goes through the module of its way: `terminal`, `markdown`, `spreadsheet`.
"""
