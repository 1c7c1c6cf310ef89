// SPDX-License-Identifier: MIT
// What VS Code's tokeniser makes of files: node textmate.js GRAMMAR FILE ... prints, as JSON, a list
// of [line, column, text, innermost scope] for each file.
const fs = require('fs');
const oniguruma = require('vscode-oniguruma');
const { Registry, INITIAL, parseRawGrammar } = require('vscode-textmate');

(async () => {
  await oniguruma.loadWASM(fs.readFileSync(require.resolve('vscode-oniguruma/release/onig.wasm')).buffer);
  const [path, ...files] = process.argv.slice(2);
  const registry = new Registry({
    onigLib: Promise.resolve({
      createOnigScanner: (patterns) => new oniguruma.OnigScanner(patterns),
      createOnigString: (s) => new oniguruma.OnigString(s),
    }),
    loadGrammar: async () => parseRawGrammar(fs.readFileSync(path, 'utf8'), path),
  });
  const grammar = await registry.loadGrammar('source.weir');
  const all = files.map((file) => {
    let state = INITIAL;
    return fs.readFileSync(file, 'utf8').split('\n').flatMap((text, line) => {
      const r = grammar.tokenizeLine(text, state);
      state = r.ruleStack;
      return r.tokens.map((t) => [line, t.startIndex, text.slice(t.startIndex, t.endIndex),
                                  t.scopes[t.scopes.length - 1]]);
    });
  });
  console.log(JSON.stringify(all));
})();
