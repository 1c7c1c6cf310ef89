policy tenants
group support idp "support-7"
group finance idp "finance"
target shop postgres "shop"
data tenant shop.orders.tenant
data card shop.orders.card
rule 0 allow read  # tenants.weir:17:7
rule 1 drop foreign  # tenants.weir:21:6
  of tenant
rule 2 mask card  # tenants.weir:26:6
  of card with last(4)
entry connect  # at most 6 instructions, stable
     0  set-any user.groups {"finance", "support-7"}; false -> 4
     1  enum-in target.protocol {postgres}; false -> 4
     2  str-glob target.name "shop"; false -> 4
     3  may read
     4  end
diagram of connect
     0  known target.protocol; true -> 2
     1  end
     2  str-in target.name {"shop"}; true -> 4
     3  end
     4  known user.groups; true -> 6
     5  end
     6  set-any user.groups {"finance", "support-7"}; true -> 8
     7  end
     8  may read
     9  end
entry command  # at most 8 instructions, stable
     0  set-any user.groups {"finance", "support-7"}; false -> 5
     1  enum-in target.protocol {postgres}; false -> 5
     2  str-glob target.name "shop"; false -> 5
     3  action-in action {sql.select, sql.show, sql.fetch, sql.begin, sql.commit, sql.rollback, sql.savepoint, sql.set, sql.prepare, sql.declare}; false -> 5
     4  match read
     5  end
diagram of command
     0  action-switch action {sql.select, sql.show, sql.fetch, sql.begin, sql.commit, sql.rollback, sql.savepoint, sql.set, sql.prepare, sql.declare}; unknown -> 1, none -> 2, each -> 3 to 12
     1  list
     2  end
     3  far -> 13
     4  far -> 13
     5  far -> 13
     6  far -> 13
     7  far -> 13
     8  far -> 13
     9  far -> 13
    10  far -> 13
    11  far -> 13
    12  far -> 13
    13  known target.protocol; true -> 15
    14  end
    15  str-in target.name {"shop"}; true -> 17
    16  end
    17  known user.groups; true -> 19
    18  end
    19  set-any user.groups {"finance", "support-7"}; true -> 21
    20  end
    21  match read
    22  end
entry result  # at most 6 instructions, stable
     0  enum-in target.protocol {postgres}; false -> 3; unknown is true
     1  set-any user.groups {"finance"}, inverted; false -> 3; unknown is true
     2  match foreign
     3  enum-in target.protocol {postgres}; false -> 5; unknown is true
     4  match card
     5  end
diagram of result
     0  match card
     1  known user.groups; false -> 4
     2  set-any user.groups {"finance"}; false -> 4
     3  end
     4  match foreign
     5  end
entry row  # at most 11 instructions, varying
     0  enum-in target.protocol {postgres}; false -> 4; unknown is true
     1  row-eq row.tenant 7, inverted; false -> 4; unknown is true
     2  set-any user.groups {"finance"}, inverted; false -> 4; unknown is true
     3  match foreign
     4  enum-in target.protocol {postgres}; false -> 9; unknown is true
     5  row-in row.consent {"t"}, inverted; true -> 8; unknown is true
     6  row-in row.country {"DE"}, inverted; false -> 9; unknown is true
     7  row-in row.country {"AT"}, inverted; false -> 9; unknown is true
     8  match card
     9  end
diagram of row
     0  row-le row.tenant 9223372036854775807; false -> 11
     1  row-lt row.tenant 8; true -> 3
     2  far -> 11
     3  row-lt row.tenant 7; true -> 5
     4  far -> 6
     5  far -> 11
     6  row-in row.consent {"t"}; false -> 9
     7  row-in row.country {"AT", "DE"}; false -> 9
     8  end
     9  match card
    10  end
    11  row-in row.consent {"t"}; false -> 13
    12  row-in row.country {"AT", "DE"}; true -> 14
    13  match card
    14  known user.groups; false -> 17
    15  set-any user.groups {"finance"}; false -> 17
    16  end
    17  match foreign
    18  end
entry watch  # at most 1 instructions, stable
     0  end
entry watch-connect  # at most 1 instructions, stable
     0  end
