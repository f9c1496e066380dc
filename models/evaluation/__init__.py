"""The evaluation room: holds a bundle against cases and writes one report in four dimensions.

Theory of operation. `verb.run` reads the cases (`cases`), has the node's own runner look at each
(`running`: the same pipeline and child process as in clinic), and hands images, references and
findings to four rooms that only measure: `technical`, `clinical`, `robustness`, `compliance`.
Each gives a plain mapping; together they are report.json (`report`), and `page` makes report.html
of the same mapping, so that page and figures cannot differ. `attaching` puts both into the bundle.

Axes are [slices, rows, columns] everywhere, affines lead from (slice, row, column, 1) to LPS
millimetres, volumes are in mL. What could not be measured is said as {"absent": why}; nothing is
left out in silence. Every random draw comes from the seed that the report states.
"""
