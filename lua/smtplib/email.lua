-- smtplib.email: composing and reading messages.

local core = require "smtplib.core"
local content = require "smtplib.email.content"
local errors = require "smtplib.errors"
local fields = require "smtplib.email.fields"
local methods = require "smtplib.email.message"
local misuse = require "smtplib.misuse"
local parts = require "smtplib.email.parts"

local message = core.message

local email = {}

--- Whether a value is a Message.
---@return boolean
function email.is_message(value)
  return message.is(value)
end

-- Options that are header fields, in the order in which they are written.
local named = {
  { "from", "From" }, { "sender", "Sender" }, { "reply_to", "Reply-To" }, { "to", "To" }, { "cc", "Cc" },
  { "bcc", "Bcc" }, { "subject", "Subject" }, { "date", "Date" }, { "message_id", "Message-ID" },
}
local options = { text = true, html = true, headers = true, attachments = true, inline = true }
for _, option in ipairs(named) do options[option[1]] = true end

local entry_options = {
  path = true, content = true, type = true, filename = true, cid = true, disposition = true, headers = true,
}

-- Error levels: the functions here are called by check, check by the class,
-- the class by the user.
local function check_entry(name, i, entry)
  if message.is(entry) then return end
  if type(entry) ~= "table" then
    error(("bad entry %d of '%s' (table or Message expected, got %s)"):format(i, name, type(entry)), 5)
  end
  for key in pairs(entry) do
    if not entry_options[key] then error(("unknown option '%s'"):format(tostring(key)), 5) end
  end
  if not message.is(entry.content) and not content.is_content(entry) then
    error(("bad entry %d of '%s' (path= or content= expected)"):format(i, name), 5)
  end
end

local function check_entries(name, list)
  if list == nil then return end
  if type(list) ~= "table" then
    error(("bad option '%s' (array expected, got %s)"):format(name, type(list)), 4)
  end
  if not misuse.is_array(list) then error(("bad option '%s' (an array without holes expected)"):format(name), 4) end
  for i, entry in ipairs(list) do check_entry(name, i, entry) end
end

local function check(opts)
  if type(opts) ~= "table" then
    error(("bad argument 'options' to 'Message' (table expected, got %s)"):format(type(opts)), 3)
  end
  for key in pairs(opts) do
    if not options[key] then error(("unknown option '%s'"):format(tostring(key)), 3) end
  end
  for _, name in ipairs { "text", "html" } do
    if opts[name] ~= nil and type(opts[name]) ~= "string" then
      error(("bad option '%s' (string expected, got %s)"):format(name, type(opts[name])), 3)
    end
  end
  check_entries("attachments", opts.attachments)
  check_entries("inline", opts.inline)
end

local function add_headers(m, opts)
  local list = {}
  for _, option in ipairs(named) do
    if opts[option[1]] ~= nil then list[#list + 1] = { option[2], opts[option[1]] } end
  end
  for _, field in ipairs(parts.sorted(opts.headers)) do list[#list + 1] = field end
  for _, field in ipairs(list) do
    if type(field[1]) ~= "string" then return nil, "misuse", "a header's name is a string" end
    local ok, why, sentence = fields.put(message.add, m, field[1], field[2])
    if not ok then return nil, why, sentence end
  end
  return fields.add_new(m, "MIME-Version", "1.0")
end

local function entry_of(entry)
  if message.is(entry) then return entry, {} end
  local given = {}
  for key, value in pairs(entry) do
    if key ~= "path" and key ~= "content" then given[key] = value end
  end
  local value = entry.path and { path = entry.path } or entry.content
  return value, given
end

local function add_entries(m, subtype, list)
  for _, entry in ipairs(list or {}) do
    local value, given = entry_of(entry)
    local ok, why, sentence = parts.add(m, subtype, value, given)
    if not ok then return nil, why, sentence end
  end
  return true
end

local function with_newline(text)
  return text:match("\n$") and text or text .. "\n"
end

-- The html with what it refers to around it.
local function html_body(m, opts)
  local ok, why, sentence = parts.fill(m, with_newline(opts.html), { type = "text/html" })
  if not ok then return nil, why, sentence end
  return add_entries(m, "related", opts.inline)
end

-- Alternative inside mixed, related inside alternative.
local function add_body(m, opts)
  local ok, why, sentence = true, nil, nil
  if opts.text or not opts.html then
    ok, why, sentence = parts.fill(m, opts.text and with_newline(opts.text) or "", { type = "text/plain" })
    if ok and not opts.html then ok, why, sentence = add_entries(m, "related", opts.inline) end
  end
  if ok and opts.html and opts.text then
    local html = message.new()
    ok, why, sentence = html_body(html, opts)
    message.remove(html, "MIME-Version")
    if ok then ok, why, sentence = parts.convert(m, "alternative") end
    if ok then ok, why, sentence = parts.attach(m, html) end
  elseif ok and opts.html then
    ok, why, sentence = html_body(m, opts)
  end
  if not ok then return nil, why, sentence end
  return add_entries(m, "mixed", opts.attachments)
end

local function compose(opts)
  local m = message.new()
  local ok, why, sentence = add_headers(m, opts)
  if ok then ok, why, sentence = add_body(m, opts) end
  if not ok then return nil, why, sentence end
  return m
end

--- The class. Message() is an empty message; Message{ from=, to=, cc=, bcc=,
--- reply_to=, sender=, subject=, date=, message_id=, text=, html=, headers=,
--- attachments=, inline= } builds the whole tree, or returns nil and an error.
email.Message = setmetatable({}, {
  __index = methods,
  __call = function(_, opts)
    if opts == nil then return message.new() end
    check(opts)
    local m, why, sentence = compose(opts)
    if m then return m end
    if why == "misuse" then error(sentence, 2) end
    return nil, errors.from_core(why, sentence)
  end,
  __tostring = function() return "smtplib.email.Message" end,
})

local parser = require "smtplib.email.parser"

email.message_from_string = parser.message_from_string
email.message_from_bytes = parser.message_from_string
email.message_from_file = parser.message_from_file
email.Parser = parser.Parser

setmetatable(email, {
  __index = function(_, name)
    if name == "utils" then return require "smtplib.email.utils" end
    if name == "header" then return require "smtplib.email.header" end
    if name == "dkim" then return require "smtplib.email.dkim" end
    if name == "smime" then return require "smtplib.email.smime" end
  end,
})

return email
