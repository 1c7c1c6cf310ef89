" Vim settings for Weir policies.
if exists("b:did_ftplugin")
  finish
endif
let b:did_ftplugin = 1

setlocal commentstring=#\ %s comments=:# iskeyword+=-,. expandtab shiftwidth=2 textwidth=100
setlocal formatprg=weir\ fmt\ -
let b:undo_ftplugin = "setlocal commentstring< comments< iskeyword< expandtab< shiftwidth< textwidth< formatprg<"
