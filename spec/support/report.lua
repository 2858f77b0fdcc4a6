-- How busted reports here: a mark for each spec, then every failure in full.
-- Beside that a record for run_specs.sh, in the file named by SPEC_RECORD: one
-- word a line, written through at once, so that even the record of an
-- interpreter that crashed tells what had passed and which spec was running.
local record = os.getenv("SPEC_RECORD")
local marks = { success = ".", pending = "o", failure = "F", error = "E" }

return function(options)
  local busted = require "busted"
  local handler = require "busted.outputHandlers.base"()
  local file = record and assert(io.open(record, "a"))

  local function note(word)
    if file then
      file:write(word, "\n")
      file:flush()
    end
  end

  local function show(text)
    io.write(text)
    io.flush()
  end

  local function describe(kind, item)
    local trace = item.element.trace or {}
    local message = item.message
    if message == nil then
      message = "no message"
    elseif type(message) ~= "string" then
      message = require "pl.pretty".write(message)
    end
    show(("\n%s: %s\n  at %s:%s\n%s\n"):format(kind, item.name,
      trace.short_src or "?", trace.currentline or "?", message))
    if options.verbose and item.trace and item.trace.traceback then
      show(item.trace.traceback .. "\n")
    end
  end

  function handler.testStart(element)
    note("start " .. handler.getFullName(element):gsub("%s+", " "))
    return nil, true
  end

  function handler.testEnd(_, _, status)
    note(status)
    show(marks[status] or "?")
    return nil, true
  end

  -- A spec file that does not load, or a failure outside of any spec.
  function handler.strayError(element)
    if element.descriptor ~= "it" then
      note("error")
      show(marks.error)
    end
    return nil, true
  end

  function handler.suiteEnd()
    show("\n")
    for _, item in ipairs(handler.pendings) do
      describe("PENDING", item)
    end
    for _, item in ipairs(handler.failures) do
      describe("FAILED", item)
    end
    for _, item in ipairs(handler.errors) do
      describe("ERROR", item)
    end
    note("end")
    return nil, true
  end

  busted.subscribe({ "test", "start" }, handler.testStart)
  busted.subscribe({ "test", "end" }, handler.testEnd)
  busted.subscribe({ "suite", "end" }, handler.suiteEnd)
  busted.subscribe({ "error" }, handler.strayError)
  busted.subscribe({ "failure" }, handler.strayError)
  return handler
end
