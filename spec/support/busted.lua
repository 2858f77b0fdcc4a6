-- busted, under whichever interpreter runs this file: the installed command
-- may be bound to one Lua, and the specs are meant for all of them.
require "busted.runner"({ standalone = false })
