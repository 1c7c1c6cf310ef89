; SPDX-License-Identifier: MIT
[(rule) (notify_rule) (test) (data_declaration) (let_declaration)] @fold
