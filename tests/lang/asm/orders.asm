policy orders
group agents idp "ai-agents"
group dba idp "dba-oncall"
group auditors idp "audit"
target orders postgres "orders"
data card payments.cards.pan
data contact public.people.email, public.people.phone
rule 0 allow app-data  # orders.weir:17:7
rule 1 deny unbounded-write  # orders.weir:21:6
rule 2 deny server-side  # orders.weir:25:6
rule 3 hold ddl  # orders.weir:28:6
  for 1 of dba not self within 900s once reason required
rule 4 mask card  # orders.weir:34:6
  of card with last(4)
rule 5 mask contact  # orders.weir:35:6
  of contact with partial
entry connect  # at most 9 instructions, stable
     0  set-any user.groups {"ai-agents", "dba-oncall"}; false -> 4
     1  enum-in target.protocol {postgres}; false -> 4
     2  str-glob target.name "orders"; false -> 4
     3  may app-data
     4  set-any user.groups {"ai-agents", "dba-oncall"}; false -> 8
     5  enum-in target.protocol {postgres}; false -> 8
     6  str-glob target.name "orders"; false -> 8
     7  may ddl
     8  end
diagram of connect
     0  known target.protocol; true -> 2
     1  end
     2  str-in target.name {"orders"}; true -> 4
     3  end
     4  known user.groups; true -> 6
     5  end
     6  set-any user.groups {"ai-agents", "dba-oncall"}; true -> 8
     7  end
     8  may app-data
     9  may ddl
    10  end
entry command  # at most 20 instructions, stable
     0  set-any user.groups {"ai-agents", "dba-oncall"}; false -> 5
     1  enum-in target.protocol {postgres}; false -> 5
     2  str-glob target.name "orders"; false -> 5
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
    14  str-glob target.name "orders"; false -> 17; unknown is true
    15  action-in action {sql.create, sql.alter, sql.drop, sql.truncate, sql.comment, sql.refresh, sql.grant, sql.role}; false -> 17; unknown is true
    16  match ddl
    17  end
diagram of command
     0  action-switch action {sql.select, sql.show, sql.fetch, sql.insert, sql.update, sql.delete, sql.create, sql.alter, sql.drop, sql.truncate, sql.comment, sql.refresh, sql.grant, sql.role, sql.begin, sql.commit, sql.rollback, sql.savepoint, sql.set, sql.prepare, sql.declare, sql.anonymous-code, sql.file, sql.program, sql.unparsed}; unknown -> 1, none -> 2, each -> 3 to 27
     1  list
     2  end
     3  far -> 48
     4  far -> 48
     5  far -> 48
     6  far -> 48
     7  far -> 37
     8  far -> 37
     9  far -> 30
    10  far -> 30
    11  far -> 30
    12  far -> 30
    13  far -> 30
    14  far -> 30
    15  far -> 30
    16  far -> 30
    17  far -> 48
    18  far -> 48
    19  far -> 48
    20  far -> 48
    21  far -> 48
    22  far -> 48
    23  far -> 48
    24  far -> 28
    25  far -> 28
    26  far -> 28
    27  far -> 28
    28  match server-side
    29  end
    30  str-in target.name {"orders"}; true -> 32; unknown is true
    31  end
    32  known user.groups; false -> 35
    33  set-any user.groups {"ai-agents", "dba-oncall"}; true -> 35
    34  end
    35  match ddl
    36  end
    37  known target.protocol; false -> 43
    38  str-in target.name {"orders"}; false -> 43
    39  bool sql.where; false -> 41
    40  bool sql.where-constant; false -> 52; unknown is true
    41  match unbounded-write
    42  far -> 52
    43  bool sql.where; false -> 46
    44  bool sql.where-constant; true -> 46; unknown is true
    45  end
    46  match unbounded-write
    47  end
    48  known target.protocol; true -> 50
    49  end
    50  str-in target.name {"orders"}; true -> 52
    51  end
    52  known user.groups; true -> 54
    53  end
    54  set-any user.groups {"ai-agents", "dba-oncall"}; true -> 56
    55  end
    56  match app-data
    57  end
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
