-- The command `smtplib`: sink, send, probe. Each is a module of its own with
-- its usage, the options it knows, and run(values, streams) → exit status, or
-- nil and a complaint about the words.

local arguments = require "smtplib.main.arguments"

local NAMES = { "send", "sink", "probe" }

local function is_command(name)
  for _, known in ipairs(NAMES) do
    if known == name then return true end
  end
  return false
end

local function print_usage(stream)
  for _, name in ipairs(NAMES) do
    stream:write(require("smtplib.main." .. name).usage, "\n\n")
  end
end

---@param words string[] as in `arg`
---@param streams table|nil { input=, out=, err= }, the process's own by default
---@return number exit status
return function(words, streams)
  streams = streams or { input = io.stdin, out = io.stdout, err = io.stderr }
  local name = words[1]
  if name == "--version" then
    streams.out:write(require("smtplib")._VERSION, "\n")
    return 0
  end
  if not name or name == "help" or name == "--help" or name == "-h" then
    print_usage(name and streams.out or streams.err)
    return name and 0 or 2
  end
  if not is_command(name) then
    streams.err:write(("smtplib: unknown command '%s'; smtplib --help\n"):format(name))
    return 2
  end
  local command = require("smtplib.main." .. name)
  for i = 2, #words do
    if words[i] == "--help" or words[i] == "-h" then
      streams.out:write(command.usage, "\n")
      return 0
    end
  end
  local values, complaint = arguments.parse(words, 2, command.known)
  local status
  if values then status, complaint = command.run(values, streams) end
  if status then return status end
  streams.err:write(("smtplib %s: %s\n%s\n"):format(name, complaint, command.usage))
  return 2
end
