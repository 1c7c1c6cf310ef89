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
diagram of connect
     0  known target.protocol; true -> 2
     1  end
     2  str-in target.name {"warehouse"}; true -> 4
     3  end
     4  addr-in client.address 00000000000000000000ffff7f000001/128; true -> 7
     5  addr-in client.address 00000000000000000000ffff0a140000/112; true -> 7
     6  end
     7  enum-in time.weekday {sat, sun}; true -> 21; unknown is true
     8  known time.of-day; false -> 21
     9  num-lt time.of-day 72000; true -> 11
    10  far -> 21
    11  num-lt time.of-day 25200; true -> 13
    12  far -> 14
    13  far -> 21
    14  known user.groups; true -> 16
    15  end
    16  set-any user.groups {"analysts"}; true -> 18
    17  end
    18  may connect-by-day
    19  may read-reporting
    20  end
    21  known user.groups; true -> 23
    22  end
    23  set-any user.groups {"analysts"}; true -> 25
    24  end
    25  may read-reporting
    26  end
entry command  # at most 24 instructions, varying
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
diagram of command
     0  action-switch action {sql.select, sql.show, sql.explain, sql.copy-out, sql.fetch, sql.insert, sql.update, sql.delete, sql.merge, sql.copy-in, sql.create, sql.alter, sql.drop, sql.truncate, sql.comment, sql.refresh, sql.grant, sql.role, sql.begin, sql.commit, sql.rollback, sql.savepoint, sql.set, sql.prepare, sql.declare, sql.call, sql.opaque-function, sql.vacuum, sql.analyze, sql.checkpoint, sql.reindex, sql.cluster, sql.alter-system, sql.backend}; unknown -> 1, none -> 2, each -> 3 to 36
     1  list
     2  end
     3  far -> 61
     4  far -> 39
     5  far -> 39
     6  far -> 37
     7  far -> 39
     8  far -> 37
     9  far -> 37
    10  far -> 37
    11  far -> 37
    12  far -> 37
    13  far -> 37
    14  far -> 37
    15  far -> 37
    16  far -> 37
    17  far -> 37
    18  far -> 37
    19  far -> 37
    20  far -> 37
    21  far -> 39
    22  far -> 39
    23  far -> 39
    24  far -> 39
    25  far -> 39
    26  far -> 39
    27  far -> 39
    28  far -> 37
    29  far -> 37
    30  far -> 37
    31  far -> 37
    32  far -> 37
    33  far -> 37
    34  far -> 37
    35  far -> 37
    36  far -> 37
    37  match read-write
    38  end
    39  known target.protocol; true -> 41
    40  end
    41  str-in target.name {"warehouse"}; true -> 43
    42  end
    43  addr-in client.address 00000000000000000000ffff7f000001/128; true -> 46
    44  addr-in client.address 00000000000000000000ffff0a140000/112; true -> 46
    45  end
    46  enum-in time.weekday {sat, sun}; false -> 48; unknown is true
    47  end
    48  known time.of-day; true -> 50
    49  end
    50  num-lt time.of-day 72000; true -> 52
    51  end
    52  num-lt time.of-day 25200; true -> 54
    53  far -> 55
    54  end
    55  known user.groups; true -> 57
    56  end
    57  set-any user.groups {"analysts"}; true -> 59
    58  end
    59  match connect-by-day
    60  end
    61  known target.protocol; true -> 63
    62  end
    63  str-in target.name {"warehouse"}; true -> 65
    64  end
    65  str-in schema {"reporting"}; true -> 67
    66  end
    67  addr-in client.address 00000000000000000000ffff7f000001/128; true -> 70
    68  addr-in client.address 00000000000000000000ffff0a140000/112; true -> 70
    69  end
    70  known user.groups; true -> 72
    71  end
    72  set-any user.groups {"analysts"}; true -> 74
    73  end
    74  match read-reporting
    75  end
entry result  # at most 5 instructions, stable
     0  set-any user.groups {"privacy-office"}, inverted; false -> 2; unknown is true
     1  match person
     2  set-any user.groups {"privacy-office"}, inverted; false -> 4; unknown is true
     3  match birth
     4  end
diagram of result
     0  known user.groups; false -> 3
     1  set-any user.groups {"privacy-office"}; false -> 3
     2  end
     3  match person
     4  match birth
     5  end
entry row  # at most 1 instructions, stable
     0  end
entry watch  # at most 1 instructions, stable
     0  end
entry watch-connect  # at most 1 instructions, stable
     0  end
