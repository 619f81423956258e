"""The commands of `weft`, one file each and called as it is; groups of commands (`weft test`, `weft cache`) too."""
