policy agents
group fleet idp "agent-fleet"
group leads idp "team-leads"
group security idp "security"
target tickets postgres "tickets*"
data found like card like aws-key like private-key
data secret vault.tokens.token, *.*.api_key, *.*.password_hash
rule 0 allow read  # agents.weir:18:7
rule 1 allow change  # agents.weir:23:7
rule 2 deny whole-table  # agents.weir:28:6
rule 3 deny many-statements  # agents.weir:32:6
rule 4 hold delete-rows  # agents.weir:36:6
  for 1 of leads not self within 1800s once
rule 5 hold schema-change  # agents.weir:41:6
  for 1 of leads not self within 7200s once reason required
rule 6 hold rights  # agents.weir:47:6
  for 1 of leads and 1 of security not self within 14400s once reason required ticket required
rule 7 deny outside  # agents.weir:53:6
rule 8 mask secret  # agents.weir:57:6
  of secret with fixed("(hidden)")
rule 9 mask found  # agents.weir:58:6
  of found with last(4)
rule 10 limit reading  # agents.weir:60:7
  rows 1000 per command  rows 20000 per hour  bytes 2000000 per command  time 10000ms per command
rule 11 allow sessions  # agents.weir:64:7
entry connect  # at most 33 instructions, stable
     0  enum-in target.protocol {postgres}; false -> 5
     1  set-any user.groups {"agent-fleet"}; false -> 5
     2  enum-in target.protocol {postgres}; false -> 5
     3  str-glob target.name "tickets*"; false -> 5
     4  may read
     5  enum-in target.protocol {postgres}; false -> 10
     6  set-any user.groups {"agent-fleet"}; false -> 10
     7  enum-in target.protocol {postgres}; false -> 10
     8  str-glob target.name "tickets*"; false -> 10
     9  may change
    10  set-any user.groups {"agent-fleet"}; false -> 14
    11  enum-in target.protocol {postgres}; false -> 14
    12  str-glob target.name "tickets*"; false -> 14
    13  may delete-rows
    14  set-any user.groups {"agent-fleet"}; false -> 18
    15  enum-in target.protocol {postgres}; false -> 18
    16  str-glob target.name "tickets*"; false -> 18
    17  may schema-change
    18  set-any user.groups {"agent-fleet", "team-leads"}; false -> 22
    19  enum-in target.protocol {postgres}; false -> 22
    20  str-glob target.name "tickets*"; false -> 22
    21  may rights
    22  set-any user.groups {"agent-fleet"}; false -> 26
    23  enum-in target.protocol {postgres}; false -> 26
    24  str-glob target.name "tickets*"; false -> 26
    25  may sessions
    26  end
diagram of connect
     0  known target.protocol; true -> 2
     1  end
     2  known target.name; true -> 4
     3  end
     4  str-glob target.name "tickets*"; true -> 6
     5  end
     6  far -> 7
     7  known user.groups; true -> 9
     8  list
     9  set-match user.groups {"agent-fleet", "team-leads"}; each -> 10 to 11, then -> 17
    10  may read; and 12
    11  may rights
    12  may change; and 13
    13  may delete-rows; and 14
    14  may schema-change; and 15
    15  may rights; and 16
    16  may sessions
    17  end
entry command  # at most 57 instructions, stable
     0  enum-in target.protocol {postgres}; false -> 7
     1  set-any user.groups {"agent-fleet"}; false -> 7
     2  enum-in target.protocol {postgres}; false -> 7
     3  str-glob target.name "tickets*"; false -> 7
     4  action-in action {sql.select}; false -> 7
     5  str-in schema {"vault"}, inverted; false -> 7
     6  match read
     7  enum-in target.protocol {postgres}; false -> 14
     8  set-any user.groups {"agent-fleet"}; false -> 14
     9  enum-in target.protocol {postgres}; false -> 14
    10  str-glob target.name "tickets*"; false -> 14
    11  action-in action {sql.insert, sql.update}; false -> 14
    12  str-in table {"desk.comments", "desk.tickets"}; false -> 14
    13  match change
    14  enum-in target.protocol {postgres}; false -> 19; unknown is true
    15  action-in action {sql.update, sql.delete}; false -> 19; unknown is true
    16  bool sql.where, inverted; true -> 18; unknown is true
    17  bool sql.where-constant; false -> 19; unknown is true
    18  match whole-table
    19  enum-in target.protocol {postgres}; false -> 23; unknown is true
    20  set-any user.groups {"agent-fleet"}; false -> 23; unknown is true
    21  num-le sql.statements 1, inverted; false -> 23; unknown is true
    22  match many-statements
    23  set-any user.groups {"agent-fleet"}; false -> 28; unknown is true
    24  enum-in target.protocol {postgres}; false -> 28; unknown is true
    25  str-glob target.name "tickets*"; false -> 28; unknown is true
    26  action-in action {sql.delete}; false -> 28; unknown is true
    27  match delete-rows
    28  set-any user.groups {"agent-fleet"}; false -> 33; unknown is true
    29  enum-in target.protocol {postgres}; false -> 33; unknown is true
    30  str-glob target.name "tickets*"; false -> 33; unknown is true
    31  action-in action {sql.create, sql.alter, sql.drop, sql.truncate, sql.comment, sql.refresh}; false -> 33; unknown is true
    32  match schema-change
    33  set-any user.groups {"agent-fleet", "team-leads"}; false -> 38; unknown is true
    34  enum-in target.protocol {postgres}; false -> 38; unknown is true
    35  str-glob target.name "tickets*"; false -> 38; unknown is true
    36  action-in action {sql.grant, sql.role}; false -> 38; unknown is true
    37  match rights
    38  action-in action {sql.alter-system, sql.anonymous-code, sql.load, sql.file, sql.program, sql.network, sql.large-object, sql.replication, sql.unparsed}; false -> 40; unknown is true
    39  match outside
    40  set-any user.groups {"agent-fleet"}; false -> 42; unknown is true
    41  match reading
    42  set-any user.groups {"agent-fleet"}; false -> 47
    43  enum-in target.protocol {postgres}; false -> 47
    44  str-glob target.name "tickets*"; false -> 47
    45  action-in action {sql.show, sql.fetch, sql.begin, sql.commit, sql.rollback, sql.savepoint, sql.set, sql.prepare, sql.declare}; false -> 47
    46  match sessions
    47  end
diagram of command
     0  action-switch action {sql.select, sql.show, sql.fetch, sql.insert, sql.update, sql.delete, sql.create, sql.alter, sql.drop, sql.truncate, sql.comment, sql.refresh, sql.grant, sql.role, sql.begin, sql.commit, sql.rollback, sql.savepoint, sql.set, sql.prepare, sql.declare, sql.alter-system, sql.anonymous-code, sql.load, sql.file, sql.program, sql.network, sql.large-object, sql.replication, sql.unparsed}; unknown -> 1, none -> 2, each -> 3 to 32
     1  list
     2  far -> 206
     3  far -> 178
     4  far -> 156
     5  far -> 156
     6  far -> 127
     7  far -> 107
     8  far -> 83
     9  far -> 62
    10  far -> 62
    11  far -> 62
    12  far -> 62
    13  far -> 62
    14  far -> 62
    15  far -> 35
    16  far -> 35
    17  far -> 156
    18  far -> 156
    19  far -> 156
    20  far -> 156
    21  far -> 156
    22  far -> 156
    23  far -> 156
    24  far -> 33
    25  far -> 33
    26  far -> 33
    27  far -> 33
    28  far -> 33
    29  far -> 33
    30  far -> 33
    31  far -> 33
    32  far -> 33
    33  match outside
    34  far -> 206
    35  known target.name; false -> 39
    36  str-glob target.name "tickets*"; true -> 38
    37  far -> 206
    38  far -> 39
    39  known sql.statements; false -> 50
    40  num-lt sql.statements 2; true -> 42
    41  far -> 50
    42  far -> 43
    43  known user.groups; false -> 47
    44  set-any user.groups {"agent-fleet"}; false -> 54
    45  match reading
    46  far -> 54
    47  match rights
    48  match reading
    49  end
    50  known user.groups; false -> 58
    51  set-any user.groups {"agent-fleet"}; false -> 54
    52  match many-statements
    53  match reading
    54  set-any user.groups {"agent-fleet", "team-leads"}; true -> 56
    55  end
    56  match rights
    57  end
    58  match many-statements
    59  match rights
    60  match reading
    61  end
    62  known target.name; false -> 66
    63  str-glob target.name "tickets*"; true -> 65
    64  far -> 206
    65  far -> 66
    66  known sql.statements; false -> 76
    67  num-lt sql.statements 2; true -> 69
    68  far -> 76
    69  far -> 70
    70  known user.groups; false -> 73
    71  set-any user.groups {"agent-fleet"}; true -> 73
    72  end
    73  match schema-change
    74  match reading
    75  end
    76  known user.groups; false -> 79
    77  set-any user.groups {"agent-fleet"}; true -> 79
    78  end
    79  match many-statements
    80  match schema-change
    81  match reading
    82  end
    83  known target.name; false -> 87
    84  str-glob target.name "tickets*"; true -> 86
    85  far -> 123
    86  far -> 87
    87  bool sql.where; false -> 89
    88  bool sql.where-constant; false -> 90; unknown is true
    89  match whole-table
    90  known sql.statements; false -> 100
    91  num-lt sql.statements 2; true -> 93
    92  far -> 100
    93  far -> 94
    94  known user.groups; false -> 97
    95  set-any user.groups {"agent-fleet"}; true -> 97
    96  end
    97  match delete-rows
    98  match reading
    99  end
   100  known user.groups; false -> 103
   101  set-any user.groups {"agent-fleet"}; true -> 103
   102  end
   103  match many-statements
   104  match delete-rows
   105  match reading
   106  end
   107  known target.protocol; false -> 123
   108  known target.name; false -> 123
   109  str-glob target.name "tickets*"; true -> 111
   110  far -> 123
   111  far -> 112
   112  in-schema; true -> 114
   113  list
   114  str-switch schema {"desk"}; unknown -> 115, none -> 116, each -> 117 to 117
   115  list
   116  far -> 123
   117  far -> 118
   118  str-in table {"desk.comments", "desk.tickets"}; false -> 123
   119  bool sql.where; false -> 121
   120  bool sql.where-constant; false -> 139; unknown is true
   121  match whole-table
   122  far -> 139
   123  bool sql.where; false -> 125
   124  bool sql.where-constant; false -> 206; unknown is true
   125  match whole-table
   126  far -> 206
   127  known target.protocol; false -> 206
   128  known target.name; false -> 206
   129  str-glob target.name "tickets*"; true -> 131
   130  far -> 206
   131  far -> 132
   132  in-schema; true -> 134
   133  list
   134  str-switch schema {"desk"}; unknown -> 135, none -> 136, each -> 137 to 137
   135  list
   136  far -> 206
   137  far -> 138
   138  str-in table {"desk.comments", "desk.tickets"}; false -> 206
   139  known sql.statements; false -> 149
   140  num-lt sql.statements 2; true -> 142
   141  far -> 149
   142  far -> 143
   143  known user.groups; false -> 213
   144  set-any user.groups {"agent-fleet"}; true -> 146
   145  end
   146  match change
   147  match reading
   148  end
   149  known user.groups; false -> 218
   150  set-any user.groups {"agent-fleet"}; true -> 152
   151  end
   152  match change
   153  match many-statements
   154  match reading
   155  end
   156  known target.protocol; false -> 206
   157  known target.name; false -> 206
   158  str-glob target.name "tickets*"; true -> 160
   159  far -> 206
   160  far -> 161
   161  known sql.statements; false -> 171
   162  num-lt sql.statements 2; true -> 164
   163  far -> 171
   164  far -> 165
   165  known user.groups; false -> 213
   166  set-any user.groups {"agent-fleet"}; true -> 168
   167  end
   168  match reading
   169  match sessions
   170  end
   171  known user.groups; false -> 218
   172  set-any user.groups {"agent-fleet"}; true -> 174
   173  end
   174  match many-statements
   175  match reading
   176  match sessions
   177  end
   178  known target.protocol; false -> 206
   179  known target.name; false -> 206
   180  str-glob target.name "tickets*"; true -> 182
   181  far -> 206
   182  far -> 183
   183  in-schema; true -> 185
   184  list
   185  str-switch schema {"vault"}; unknown -> 186, none -> 187, each -> 188 to 188
   186  list
   187  far -> 189
   188  far -> 206
   189  known sql.statements; false -> 199
   190  num-lt sql.statements 2; true -> 192
   191  far -> 199
   192  far -> 193
   193  known user.groups; false -> 213
   194  set-any user.groups {"agent-fleet"}; true -> 196
   195  end
   196  match read
   197  match reading
   198  end
   199  known user.groups; false -> 218
   200  set-any user.groups {"agent-fleet"}; true -> 202
   201  end
   202  match read
   203  match many-statements
   204  match reading
   205  end
   206  known sql.statements; false -> 215
   207  num-lt sql.statements 2; true -> 209
   208  far -> 215
   209  far -> 210
   210  known user.groups; false -> 213
   211  set-any user.groups {"agent-fleet"}; true -> 213
   212  end
   213  match reading
   214  end
   215  known user.groups; false -> 218
   216  set-any user.groups {"agent-fleet"}; true -> 218
   217  end
   218  match many-statements
   219  match reading
   220  end
entry result  # at most 3 instructions, stable
     0  match secret
     1  match found
     2  end
diagram of result
     0  match secret
     1  match found
     2  end
entry row  # at most 1 instructions, stable
     0  end
entry watch  # at most 1 instructions, stable
     0  end
entry watch-connect  # at most 1 instructions, stable
     0  end
