policy analyst
group analysts idp "analysts"
group privacy idp "privacy-office"
target warehouse postgres "warehouse"
data person reporting.customers.full_name, reporting.customers.email
data birth reporting.customers.birth_date
rule 0 allow connect-by-day  # analyst.weir:20:7
rule 1 allow read-reporting  # analyst.weir:25:7
rule 2 deny read-write  # analyst.weir:30:6
rule 3 mask person  # analyst.weir:33:6
  of person with pseudonym
rule 4 mask birth  # analyst.weir:34:6
  of birth with null
entry connect  # at most 17 instructions, varying
     0  set-any user.groups {"analysts"}; false -> 9
     1  enum-in target.protocol {postgres}; false -> 9
     2  str-glob target.name "warehouse"; false -> 9
     3  addr-in client.address 00000000000000000000ffff0a140000/112; true -> 5
     4  addr-in client.address 00000000000000000000ffff7f000001/128; false -> 9
     5  num-lt time.of-day 25200, inverted; false -> 9
     6  num-lt time.of-day 72000; false -> 9
     7  enum-in time.weekday {sat, sun}, inverted; false -> 9
     8  may connect-by-day
     9  enum-in target.protocol {postgres}; false -> 16
    10  set-any user.groups {"analysts"}; false -> 16
    11  enum-in target.protocol {postgres}; false -> 16
    12  str-glob target.name "warehouse"; false -> 16
    13  addr-in client.address 00000000000000000000ffff0a140000/112; true -> 15
    14  addr-in client.address 00000000000000000000ffff7f000001/128; false -> 16
    15  may read-reporting
    16  end
entry command  # at most 22 instructions, varying
     0  set-any user.groups {"analysts"}; false -> 10
     1  enum-in target.protocol {postgres}; false -> 10
     2  str-glob target.name "warehouse"; false -> 10
     3  action-in action {sql.show, sql.explain, sql.fetch, sql.begin, sql.commit, sql.rollback, sql.savepoint, sql.set, sql.prepare, sql.declare}; false -> 10
     4  addr-in client.address 00000000000000000000ffff0a140000/112; true -> 6
     5  addr-in client.address 00000000000000000000ffff7f000001/128; false -> 10
     6  num-lt time.of-day 25200, inverted; false -> 10
     7  num-lt time.of-day 72000; false -> 10
     8  enum-in time.weekday {sat, sun}, inverted; false -> 10
     9  match connect-by-day
    10  enum-in target.protocol {postgres}; false -> 19
    11  set-any user.groups {"analysts"}; false -> 19
    12  enum-in target.protocol {postgres}; false -> 19
    13  str-glob target.name "warehouse"; false -> 19
    14  action-in action {sql.select}; false -> 19
    15  str-in schema {"reporting"}; false -> 19
    16  addr-in client.address 00000000000000000000ffff0a140000/112; true -> 18
    17  addr-in client.address 00000000000000000000ffff7f000001/128; false -> 19
    18  match read-reporting
    19  action-in action {sql.copy-out, sql.insert, sql.update, sql.delete, sql.merge, sql.copy-in, sql.create, sql.alter, sql.drop, sql.truncate, sql.comment, sql.refresh, sql.grant, sql.role, sql.call, sql.opaque-function, sql.vacuum, sql.analyze, sql.checkpoint, sql.reindex, sql.cluster, sql.alter-system, sql.backend}; false -> 21; unknown is true
    20  match read-write
    21  end
entry result  # at most 5 instructions, stable
     0  set-any user.groups {"privacy-office"}, inverted; false -> 2; unknown is true
     1  match person
     2  set-any user.groups {"privacy-office"}, inverted; false -> 4; unknown is true
     3  match birth
     4  end
entry row  # at most 1 instructions, stable
     0  end
entry watch  # at most 1 instructions, stable
     0  end
entry watch-connect  # at most 1 instructions, stable
     0  end
