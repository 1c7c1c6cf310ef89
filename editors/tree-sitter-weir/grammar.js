// SPDX-License-Identifier: MIT
// The policy language for editors that read trees (Neovim, Helix, Emacs). What it takes and what it
// refuses is what grammar/policy.y and grammar/lexer.re say; tests/tree_sitter/ compares the two.
// After a change run editors/tree-sitter-weir/generate.py, which writes src/.

const LETTER = '[a-zA-Z_]', REST = '[a-zA-Z0-9_]*', MORE = '(-[a-zA-Z0-9_]+)*';
const PART = LETTER + REST + MORE;
const GLOB_REST = '[a-zA-Z0-9_*]*(-[a-zA-Z0-9_*]+)*';
const IPV4 = '[0-9]{1,3}(\\.[0-9]{1,3}){3}', HEX = '[0-9a-fA-F]{0,4}';

const list = (rule, mark = ',') => seq(rule, repeat(seq(mark, rule)));

module.exports = grammar({
  name: 'weir',

  // A keyword is one only where the grammar has it; elsewhere it is a name, as by %fallback.
  word: $ => $.name,
  extras: $ => [/[ \t\r\n]/, $.comment],
  supertypes: $ => [$._declaration, $._clause, $._test_clause, $._expression, $._value, $._literal],

  // `notify NAME` goes on with the rule before it, `notify NAME to CHANNEL` is a rule.
  conflicts: $ => [[$.rule], [$.notify_rule]],

  rules: {
    source_file: $ => repeat($._declaration),

    _declaration: $ => choice(
      $.policy_declaration, $.import_declaration, $.group_declaration, $.target_declaration,
      $.catalog_declaration, $.data_declaration, $.let_declaration, $.trust_declaration,
      $.default_declaration, $.rule, $.notify_rule, $.test, $.prove_only, $.prove_nobody),

    policy_declaration: $ => seq(
      'policy', field('name', $.name), optional(field('title', $.string))),
    import_declaration: $ => seq('import', field('path', $.string)),
    group_declaration: $ => seq(
      'group', field('name', $.name), '=', field('source', $.name), field('group', $.string)),
    target_declaration: $ => seq(
      'target', field('name', $.name), '=', field('protocol', $.name), field('target', $.string)),
    catalog_declaration: $ => seq('catalog', field('path', $.string)),
    data_declaration: $ => seq(
      'data', field('name', $.name), '=', list(choice($.column_pattern, $.values_pattern))),
    let_declaration: $ => seq('let', field('name', $.name), '=', field('value', $._expression)),
    trust_declaration: $ => seq(
      'trust', field('what', $.name), field('function', $.string),
      field('by', $.name), field('digest', $.string)),
    default_declaration: $ => seq('default', field('verdict', $.name)),
    prove_only: $ => seq(
      'prove', 'only', list(field('group', $.name)), 'see', list(field('data', $.name)),
      'unmasked'),
    prove_nobody: $ => seq(
      'prove', 'nobody', 'runs', list(field('action', $.name)), 'without', field('article', $.name),
      'hold'),

    column_pattern: $ => seq(
      'column', field('column', $._pattern),
      optional(seq('.{', list(field('column', $._pattern)), '}'))),
    values_pattern: $ => seq('values', 'like', field('detector', $.name)),
    _pattern: $ => choice($.name, $.pattern),

    // Rules

    rule: $ => seq(
      optional('shadow'),
      field('kind', choice('allow', 'deny', 'hold', 'mask', 'limit', 'drop', 'record')),
      field('name', $.name), optional(field('sentence', $.string)), repeat($._clause)),
    notify_rule: $ => seq(
      optional('shadow'), 'notify', field('name', $.name), optional(field('sentence', $.string)),
      'to', field('channel', $.name), repeat($._clause)),

    _clause: $ => choice(
      $.who_clause, $.on_clause, $.do_clause, $.of_clause, $.when_clause, $.unless_clause,
      $.for_clause, $.within_clause, $.expires_clause, $.once_clause, $.reason_clause,
      $.ticket_clause, $.notify_clause, $.with_clause, $.amount_clause),

    who_clause: $ => seq('who', list(field('group', $.name))),
    on_clause: $ => seq('on', list(field('target', $.name))),
    do_clause: $ => seq('do', list(field('action', $.name))),
    of_clause: $ => seq('of', list(field('data', $.name))),
    when_clause: $ => seq('when', field('condition', $._expression)),
    unless_clause: $ => seq('unless', choice(
      field('condition', $._expression), $.who_clause, $.on_clause, $.do_clause)),
    for_clause: $ => seq('for', list($.quorum, 'and'), optional(seq('not', 'self'))),
    quorum: $ => seq(field('count', $.int), 'of', field('group', $.name)),
    within_clause: $ => seq('within', field('time', $._literal)),
    expires_clause: $ => seq('expires', field('time', $._literal)),
    once_clause: $ => field('flag', 'once'), // the field keeps it a keyword in a node
    reason_clause: $ => seq('reason', 'required'),
    ticket_clause: $ => seq('ticket', 'required'),
    notify_clause: $ => seq('notify', field('channel', $.name)),
    with_clause: $ => seq('with', choice(
      list(field('with', $.name)),
      field('with', $.call),
      seq(field('with', choice($.name, $.call)), repeat1($.allowing)))),
    allowing: $ => seq('allowing', list($.mode)),
    mode: $ => choice('lookup', 'derived', seq('aggregates', 'over', field('count', $.int))),
    amount_clause: $ => seq(
      field('unit', choice('rows', 'bytes', 'time', 'lookups', 'commands')), field('amount', $._literal),
      optional(seq('per', field('span', $.name)))),

    // Conditions

    _expression: $ => choice(
      $.or_expression, $.and_expression, $.not_expression, $.parenthesized_expression,
      $.comparison, $.membership, $.text_match, $._operand),
    or_expression: $ => prec.left(1, seq(
      field('left', $._expression), 'or', field('right', $._expression))),
    and_expression: $ => prec.left(2, seq(
      field('left', $._expression), 'and', field('right', $._expression))),
    not_expression: $ => prec.right(3, seq('not', field('condition', $._expression))),
    parenthesized_expression: $ => seq('(', $._expression, ')'),
    comparison: $ => seq(
      field('left', $._operand), field('operator', choice('=', '!=', '<', '<=', '>', '>=')),
      field('right', $._operand)),
    membership: $ => seq(
      field('left', $._operand), 'in', field('right', choice($.set, $._reference, $.address))),
    text_match: $ => seq(
      field('left', $._operand), choice(
        seq('matches', field('right', choice($.string, $.regex))),
        seq(choice('starts', 'ends'), 'with', field('right', $.string)))),

    _operand: $ => choice($._reference, $._literal, $.call),
    call: $ => seq(field('function', $.name), '(', list(choice($._argument, $.alternatives)), ')'),
    alternatives: $ => seq($._argument, repeat1(seq('|', $._argument))),
    _argument: $ => choice($._literal, alias($.name, $.argument), $.pattern),
    set: $ => seq('{', list($._value), '}'),
    _value: $ => choice($._literal, $._reference, $.pattern),
    // A name that stands for a value: a fact, a let, what an enumeration lists.
    _reference: $ => alias($.name, $.reference),

    // Tests

    test: $ => seq('test', field('name', $.string), repeat($._test_clause)),
    _test_clause: $ => choice(
      $.as_clause, alias($._test_on, $.on_clause), alias($._test_with, $.with_clause),
      $.run_clause, $.row_clause, $.expect_clause),
    as_clause: $ => seq(
      'as', field('kind', $.name), field('name', $.string),
      optional(seq('in', list(field('group', $.name))))),
    _test_on: $ => seq('on', field('target', choice($.name, $.string))),
    _test_with: $ => seq('with', list($.fact)),
    fact: $ => seq(field('name', $._reference), '=', field('value', choice($._value, $.set))),
    run_clause: $ => seq(
      'run', field('command', $.string), optional(seq('using', list(field('parameter', $._value))))),
    row_clause: $ => seq('row', $._cells),
    expect_clause: $ => seq('expect', choice(
      $._cells, seq(field('verdict', $.name), optional(seq('by', field('rule', $.name)))))),
    _cells: $ => seq('(', list($.cell), ')'),
    cell: $ => seq(
      field('column', choice($.name, $.string)), ':', field('value', $._value)),

    // Words

    _literal: $ => choice(
      $.string, $.int, $.duration, $.size, $.clock, $.address, $.boolean),
    name: $ => new RegExp(`${PART}(\\.${PART})*`),
    // With a `*` at least; what comes before the first one is a name that may break off.
    pattern: $ => new RegExp(
      `(${PART}\\.)*(${PART}-?)?\\*${GLOB_REST}(\\.[a-zA-Z_*]${GLOB_REST})*`),
    string: $ => seq('"', optional($.string_content), token.immediate('"')),
    string_content: $ => repeat1(choice(
      token.immediate(prec(1, /[^"\\\n\x00]+/)), $.escape_sequence)),
    escape_sequence: $ => token.immediate(/\\["\\n]/),
    regex: $ => /\/([^\/\\\n\x00]|\\[^\n\x00])*\/[a-zA-Z0-9_]*/,
    int: $ => /-?[0-9]+/,
    duration: $ => /-?[0-9]+(ms|s|m|h|d)/,
    size: $ => /-?[0-9]+(B|[KMG]i?B)/,
    clock: $ => /([01]?[0-9]|2[0-3]):[0-5][0-9]/,
    address: $ => new RegExp(
      `(${IPV4}|(${HEX}:){2,7}${HEX}|(${HEX}:){2,6}${IPV4})(/[0-9]+)?`),
    boolean: $ => choice('true', 'false'),
    comment: $ => /#[^\n\x00]*/,
  },
});
