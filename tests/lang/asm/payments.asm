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
entry command  # at most 23 instructions, stable
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
entry result  # at most 5 instructions, stable
     0  set-any user.groups {"audit"}, inverted; false -> 2; unknown is true
     1  match card
     2  enum-in user.kind {agent}; false -> 4; unknown is true
     3  match contact
     4  end
entry row  # at most 1 instructions, stable
     0  end
entry watch  # at most 1 instructions, stable
     0  end
entry watch-connect  # at most 1 instructions, stable
     0  end
