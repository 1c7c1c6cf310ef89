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
entry connect  # at most 5 instructions, stable
     0  set-any user.groups {"finance", "support-7"}; false -> 4
     1  enum-in target.protocol {postgres}; false -> 4
     2  str-glob target.name "shop"; false -> 4
     3  may read
     4  end
entry command  # at most 6 instructions, stable
     0  set-any user.groups {"finance", "support-7"}; false -> 5
     1  enum-in target.protocol {postgres}; false -> 5
     2  str-glob target.name "shop"; false -> 5
     3  action-in action {sql.select, sql.show, sql.fetch, sql.begin, sql.commit, sql.rollback, sql.savepoint, sql.set, sql.prepare, sql.declare}; false -> 5
     4  match read
     5  end
entry result  # at most 6 instructions, stable
     0  enum-in target.protocol {postgres}; false -> 3; unknown is true
     1  set-any user.groups {"finance"}, inverted; false -> 3; unknown is true
     2  match foreign
     3  enum-in target.protocol {postgres}; false -> 5; unknown is true
     4  match card
     5  end
entry row  # at most 10 instructions, varying
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
entry watch  # at most 1 instructions, stable
     0  end
entry watch-connect  # at most 1 instructions, stable
     0  end
