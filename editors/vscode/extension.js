// SPDX-License-Identifier: MIT
// Starts `weir lsp` and leaves the rest to it.
const { LanguageClient } = require('vscode-languageclient/node');
const vscode = require('vscode');

let client;

exports.activate = () => {
  const command = vscode.workspace.getConfiguration('weir').get('path');
  client = new LanguageClient('weir', 'Weir', { command, args: ['lsp'] }, {
    documentSelector: [{ language: 'weir' }],
    // What policies import, and their catalogs, may change without being open.
    synchronize: { fileEvents: vscode.workspace.createFileSystemWatcher('**/*.{weir,sql}') },
  });
  return client.start();
};

exports.deactivate = () => client && client.stop();
