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
entry connect  # at most 27 instructions, stable
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
entry command  # at most 48 instructions, stable
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
entry result  # at most 3 instructions, stable
     0  match secret
     1  match found
     2  end
entry row  # at most 1 instructions, stable
     0  end
entry watch  # at most 1 instructions, stable
     0  end
entry watch-connect  # at most 1 instructions, stable
     0  end
