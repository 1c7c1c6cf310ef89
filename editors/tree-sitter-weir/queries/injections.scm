; SPDX-License-Identifier: MIT
; The commands of tests are SQL.
((run_clause command: (string (string_content) @injection.content))
 (#set! injection.language "sql"))
