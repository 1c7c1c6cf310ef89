policy payments
group agents idp "ai-agents"
group dba idp "dba-oncall"
group auditors idp "audit"
target orders postgres "orders*"
data card payments.cards.pan, *.*.card_number
data contact *.people.email, *.people.phone
rule 0 allow app-data  # payments.weir:19:7
rule 1 deny unbounded-write  # payments.weir:23:6
rule 2 deny server-side  # payments.weir:27:6
rule 3 hold ddl  # payments.weir:30:6
  for 1 of dba not self within 900s once reason required
rule 4 mask card  # payments.weir:36:6
  of card with last(4)
rule 5 mask contact  # payments.weir:37:6
  of contact with partial allowing lookup, derived
rule 6 limit contact-guesses  # payments.weir:39:7
  lookups 3 per command  lookups 100 per hour
rule 7 deny people-probing  # payments.weir:42:6
entry connect  # at most 9 instructions, stable
     0  set-any user.groups {"ai-agents", "dba-oncall"}; false -> 4
     1  enum-in target.protocol {postgres}; false -> 4
     2  str-glob target.name "orders*"; false -> 4
     3  may app-data
     4  set-any user.groups {"ai-agents", "dba-oncall"}; false -> 8
     5  enum-in target.protocol {postgres}; false -> 8
     6  str-glob target.name "orders*"; false -> 8
     7  may ddl
     8  end
diagram of connect
     0  known target.protocol; true -> 2
     1  end
     2  known target.name; true -> 4
     3  end
     4  str-glob target.name "orders*"; true -> 6
     5  end
     6  far -> 7
     7  known user.groups; true -> 9
     8  end
     9  set-any user.groups {"ai-agents", "dba-oncall"}; true -> 11
    10  end
    11  may app-data
    12  may ddl
    13  end
entry command  # at most 26 instructions, stable
     0  set-any user.groups {"ai-agents", "dba-oncall"}; false -> 5
     1  enum-in target.protocol {postgres}; false -> 5
     2  str-glob target.name "orders*"; false -> 5
     3  action-in action {sql.select, sql.show, sql.fetch, sql.insert, sql.update, sql.delete, sql.begin, sql.commit, sql.rollback, sql.savepoint, sql.set, sql.prepare, sql.declare}; false -> 5
     4  match app-data
     5  enum-in target.protocol {postgres}; false -> 10; unknown is true
     6  action-in action {sql.update, sql.delete}; false -> 10; unknown is true
     7  bool sql.where, inverted; true -> 9; unknown is true
     8  bool sql.where-constant; false -> 10; unknown is true
     9  match unbounded-write
    10  action-in action {sql.anonymous-code, sql.file, sql.program, sql.unparsed}; false -> 12; unknown is true
    11  match server-side
    12  set-any user.groups {"ai-agents", "dba-oncall"}; false -> 17; unknown is true
    13  enum-in target.protocol {postgres}; false -> 17; unknown is true
    14  str-glob target.name "orders*"; false -> 17; unknown is true
    15  action-in action {sql.create, sql.alter, sql.drop, sql.truncate, sql.comment, sql.refresh, sql.grant, sql.role}; false -> 17; unknown is true
    16  match ddl
    17  match contact-guesses
    18  enum-in target.protocol {postgres}; false -> 22; unknown is true
    19  uses contact(join | group | order | distinct); false -> 22; unknown is true
    20  set-any user.groups {"audit"}, inverted; false -> 22; unknown is true
    21  match people-probing
    22  end
diagram of command
     0  match contact-guesses
     1  action-switch action {sql.select, sql.show, sql.fetch, sql.insert, sql.update, sql.delete, sql.create, sql.alter, sql.drop, sql.truncate, sql.comment, sql.refresh, sql.grant, sql.role, sql.begin, sql.commit, sql.rollback, sql.savepoint, sql.set, sql.prepare, sql.declare, sql.anonymous-code, sql.file, sql.program, sql.unparsed}; unknown -> 2, none -> 3, each -> 4 to 28
     2  list
     3  far -> 77
     4  far -> 61
     5  far -> 61
     6  far -> 61
     7  far -> 61
     8  far -> 48
     9  far -> 48
    10  far -> 31
    11  far -> 31
    12  far -> 31
    13  far -> 31
    14  far -> 31
    15  far -> 31
    16  far -> 31
    17  far -> 31
    18  far -> 61
    19  far -> 61
    20  far -> 61
    21  far -> 61
    22  far -> 61
    23  far -> 61
    24  far -> 61
    25  far -> 29
    26  far -> 29
    27  far -> 29
    28  far -> 29
    29  match server-side
    30  far -> 77
    31  known target.name; false -> 35
    32  str-glob target.name "orders*"; true -> 34
    33  far -> 77
    34  far -> 35
    35  uses contact(join | group | order | distinct); false -> 43; unknown is true
    36  known user.groups; false -> 40
    37  set-any user.groups {"ai-agents", "dba-oncall"}; false -> 80
    38  match ddl
    39  far -> 80
    40  match ddl
    41  match people-probing
    42  end
    43  known user.groups; false -> 46
    44  set-any user.groups {"ai-agents", "dba-oncall"}; true -> 46
    45  end
    46  match ddl
    47  end
    48  known target.protocol; false -> 57
    49  known target.name; false -> 57
    50  str-glob target.name "orders*"; true -> 52
    51  far -> 57
    52  far -> 53
    53  bool sql.where; false -> 55
    54  bool sql.where-constant; false -> 66; unknown is true
    55  match unbounded-write
    56  far -> 66
    57  bool sql.where; false -> 59
    58  bool sql.where-constant; false -> 77; unknown is true
    59  match unbounded-write
    60  far -> 77
    61  known target.protocol; false -> 77
    62  known target.name; false -> 77
    63  str-glob target.name "orders*"; true -> 65
    64  far -> 77
    65  far -> 66
    66  uses contact(join | group | order | distinct); false -> 71; unknown is true
    67  known user.groups; false -> 82
    68  set-any user.groups {"ai-agents", "dba-oncall"}; false -> 80
    69  match app-data
    70  far -> 80
    71  known user.groups; true -> 73
    72  end
    73  set-any user.groups {"ai-agents", "dba-oncall"}; true -> 75
    74  end
    75  match app-data
    76  end
    77  uses contact(join | group | order | distinct); true -> 79; unknown is true
    78  end
    79  known user.groups; false -> 82
    80  set-any user.groups {"audit"}; false -> 82
    81  end
    82  match people-probing
    83  end
entry result  # at most 6 instructions, stable
     0  set-any user.groups {"audit"}, inverted; false -> 2; unknown is true
     1  match card
     2  enum-in user.kind {agent}; false -> 4; unknown is true
     3  match contact
     4  end
diagram of result
     0  enum-in user.kind {agent}; false -> 2; unknown is true
     1  match contact
     2  known user.groups; false -> 5
     3  set-any user.groups {"audit"}; false -> 5
     4  end
     5  match card
     6  end
entry row  # at most 1 instructions, stable
     0  end
entry watch  # at most 1 instructions, stable
     0  end
entry watch-connect  # at most 1 instructions, stable
     0  end
