// SPDX-License-Identifier: MIT
// Runs the VS Code extension with stand-ins for what VS Code gives it, and prints how it starts the
// server and for what.
const Module = require('module');
const path = require('path');

const said = { watched: null, stopped: false };
const modules = {
  vscode: {
    workspace: {
      getConfiguration: (section) => ({ get: (key) => process.env[`${section}.${key}`] }),
      createFileSystemWatcher: (glob) => { said.watched = glob; return {}; },
    },
  },
  'vscode-languageclient/node': {
    LanguageClient: class {
      constructor(id, name, server, client) { Object.assign(said, { id, name, server, client }); }
      start() { said.started = true; return Promise.resolve(); }
      stop() { said.stopped = true; return Promise.resolve(); }
    },
  },
};
const load = Module._load;
Module._load = (name, ...rest) => modules[name] || load(name, ...rest);

(async () => {
  const extension = require(path.resolve(process.argv[2]));
  await extension.activate({ subscriptions: [] });
  await extension.deactivate();
  console.log(JSON.stringify(said));
})();
