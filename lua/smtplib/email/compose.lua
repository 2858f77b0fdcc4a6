-- Message{…}: a whole message from one table. Its tree is, from the inside out,
-- the html with what it refers to (related), the forms of the same text beside it
-- (alternative: plain, AMP, html, invitation), and what is attached (mixed).

local core = require "smtplib.core"
local content = require "smtplib.email.content"
local fields = require "smtplib.email.fields"
local list = require "smtplib.email.list"
local misuse = require "smtplib.misuse"
local parts = require "smtplib.email.parts"

local message = core.message

local compose = {}

-- Options that are header fields, in the order in which they are written.
local named = {
  { "from", "From" }, { "sender", "Sender" }, { "reply_to", "Reply-To" }, { "to", "To" }, { "cc", "Cc" },
  { "bcc", "Bcc" }, { "subject", "Subject" }, { "date", "Date" }, { "message_id", "Message-ID" },
  { "in_reply_to", "In-Reply-To" }, { "references", "References" },
}

-- The types of an option; true where the field that is made of it decides.
local options = {
  text = { "string" }, html = { "string" }, amp = { "string" }, calendar = { "string", "table" },
  flowed = { "boolean" }, headers = { "table" }, attachments = { "table" }, inline = { "table" }, list = { "table" },
}
for _, option in ipairs(named) do options[option[1]] = true end
options.in_reply_to, options.references = { "string", "table" }, { "string", "table" }

-- What an entry says, as it is handed on: its content, and the options of it.
local function entry_of(entry)
  if message.is(entry) then return entry, {} end
  local given = {}
  for key, value in pairs(entry) do
    if key ~= "path" and key ~= "content" then given[key] = value end
  end
  return entry.path and { path = entry.path } or entry.content, given
end

local entry_options = {
  path = true, content = true, type = true, filename = true, cid = true, disposition = true, headers = true,
  length = true, charset = true, params = true, cte = true,
}

local calendar_options = { content = "string", method = "string", filename = "string" }

local function check_entry(name, i, entry)
  if message.is(entry) then return end
  if type(entry) ~= "table" then
    misuse.raise(("bad entry %d of '%s' (table or Message expected, got %s)"):format(i, name, type(entry)))
  end
  for key in pairs(entry) do
    if not entry_options[key] then misuse.raise(("unknown option '%s'"):format(tostring(key))) end
  end
  if not message.is(entry.content) and not content.is_content(entry) then
    local closed = io.type(entry.content) == "closed file"
    misuse.raise(("bad entry %d of '%s' (%s)"):format(i, name,
      closed and "the content is a closed file" or "path= or content= expected"))
  end
  local opts, complaint = parts.options(entry_of(entry))
  if not opts then
    complaint = complaint:gsub("^bad (option '[^']*') %((.*)%)$", "%1: %2")
    misuse.raise(("bad entry %d of '%s' (%s)"):format(i, name, complaint))
  end
  if entry.path and entry.content then
    misuse.raise(("bad entry %d of '%s' (path= or content= expected, not both)"):format(i, name))
  end
end

local function check_entries(name, entries)
  if entries == nil then return end
  if not misuse.is_array(entries) then
    misuse.raise(("bad option '%s' (an array without holes expected)"):format(name))
  end
  for i, entry in ipairs(entries) do check_entry(name, i, entry) end
end

local function check_calendar(calendar)
  if type(calendar) ~= "table" then return end
  for key, value in pairs(calendar) do
    local kind = calendar_options[key]
    if not kind then misuse.raise(("unknown option 'calendar.%s'"):format(tostring(key))) end
    if type(value) ~= kind then misuse.raise(("bad option 'calendar.%s' (%s expected)"):format(key, kind)) end
  end
  if not calendar.content then misuse.raise("bad option 'calendar' (content= expected)") end
end

local function check(opts)
  misuse.check(opts, "table", "options", "Message")
  for name, value in pairs(opts) do
    local kinds = options[name]
    if not kinds then misuse.raise(("unknown option '%s'"):format(tostring(name))) end
    if kinds ~= true and type(value) ~= kinds[1] and type(value) ~= kinds[2] then
      misuse.raise(("bad option '%s' (%s expected, got %s)"):format(name, table.concat(kinds, " or "), type(value)))
    end
  end
  check_entries("attachments", opts.attachments)
  check_entries("inline", opts.inline)
  check_calendar(opts.calendar)
  local complaint = opts.headers and parts.complain_of(opts.headers)
  if complaint then misuse.raise(complaint) end
end

-- Message-IDs as they stand in a field: each in its brackets.
local function in_brackets(value)
  if type(value) ~= "table" then value = { value } end
  local ids = {}
  for i, id in ipairs(value) do
    ids[i] = type(id) == "string" and not id:find("[<%s]") and "<" .. id .. ">" or id
  end
  return ids
end

local function add_all(m, pairs_of)
  for _, field in ipairs(pairs_of) do
    local ok, why, sentence = fields.put(message.add, m, field[1], field[2])
    if not ok then return nil, why, sentence end
  end
  return true
end

-- What a message has once at most (RFC 5322, 3.6), and what its content decides.
local singular, decided = {}, { ["content-type"] = true, ["content-transfer-encoding"] = true }
for _, option in ipairs(named) do singular[option[2]:lower()] = true end

local function check_singular(m, headers)
  local seen = {}
  for _, field in ipairs(headers) do
    local name = field[1]:lower()
    if decided[name] then
      misuse.raise(("bad option 'headers' (%s is decided by the content)"):format(field[1]))
    end
    if singular[name] and (seen[name] or message.get(m, name)) then
      misuse.raise(("bad option 'headers' (%s is given twice)"):format(field[1]))
    end
    seen[name] = true
  end
end

local holds_ids = { message_id = true, in_reply_to = true, references = true }

-- An empty array makes no field.
local function add_option(m, option, value)
  if type(value) == "table" and next(value) == nil then return true end
  if holds_ids[option[1]] then value = in_brackets(value) end
  return fields.put(message.add, m, option[2], value)
end

local function add_named(m, opts)
  for _, option in ipairs(named) do
    local value = opts[option[1]]
    if value ~= nil then
      local ok, why, sentence = add_option(m, option, value)
      if not ok then return nil, why, sentence end
    end
  end
  return true
end

local function add_further(m, opts)
  local ok, why, sentence = true, nil, nil
  if opts.list then
    local of_list
    of_list, why, sentence = list.fields(opts.list)
    if not of_list then return nil, why, sentence end
    ok, why, sentence = add_all(m, of_list)
  end
  if ok and opts.headers then
    local further = parts.sorted(opts.headers)
    check_singular(m, further)
    ok, why, sentence = add_all(m, further)
  end
  return ok, why, sentence
end

local function add_headers(m, opts)
  local ok, why, sentence = add_named(m, opts)
  if ok then ok, why, sentence = add_further(m, opts) end
  if not ok then return nil, why, sentence end
  return fields.add_new(m, "MIME-Version", "1.0")
end

local function attach_entries(m, subtype, entries)
  for _, entry in ipairs(entries) do
    local part, why, sentence = parts.part(subtype, entry_of(entry))
    local ok = part
    if part then ok, why, sentence = parts.attach(m, part) end
    if not ok then return nil, why, sentence end
  end
  return true
end

local function calendar_of(opts)
  local calendar = opts.calendar
  if type(calendar) == "string" then calendar = { content = calendar } end
  if not calendar then return nil end
  local method = calendar.method or ("\n" .. calendar.content):match("[\r\n]METHOD:([%w-]+)") or "PUBLISH"
  return { content = calendar.content, method = method:upper(), filename = calendar.filename or "invite.ics" }
end

-- The forms of the text, the plainest first.
local function forms_of(opts, calendar)
  local forms = {}
  if opts.text or not (opts.html or opts.amp or calendar) then
    forms[1] = { opts.text or "", { type = "text/plain", flowed = opts.flowed } }
  end
  if opts.amp then forms[#forms + 1] = { opts.amp, { type = "text/x-amp-html" } } end
  if opts.html then forms[#forms + 1] = { opts.html, { type = "text/html" } } end
  if calendar then
    forms[#forms + 1] = { calendar.content, { type = "text/calendar", params = { method = calendar.method } } }
  end
  return forms
end

-- A part of `m`, to be filled by fill(part, …).
local function attach_new(m, fill, ...)
  local part = message.new()
  local ok, why, sentence = fill(part, ...)
  if ok then ok, why, sentence = parts.attach(m, part) end
  return ok, why, sentence
end

local function fill_form(m, form)
  return parts.fill(m, parts.with_newline(form[1], form[2]), form[2])
end

-- A form as the body of `m`, with what it refers to around it.
local function add_form(m, form, inline)
  if not inline then return fill_form(m, form) end
  local ok, why, sentence = parts.contain(m, "related")
  if ok then ok, why, sentence = attach_new(m, fill_form, form) end
  if ok then ok, why, sentence = attach_entries(m, "related", inline) end
  return ok, why, sentence
end

-- Which form the inline parts belong to: the html, else the first.
local function host_of(forms)
  for i, form in ipairs(forms) do
    if form[2].type == "text/html" then return i end
  end
  return 1
end

local function add_forms(m, forms, inline)
  if #forms == 1 then return add_form(m, forms[1], inline) end
  local ok, why, sentence = parts.contain(m, "alternative")
  local host = inline and host_of(forms)
  for i, form in ipairs(forms) do
    if ok then ok, why, sentence = attach_new(m, add_form, form, host == i and inline) end
  end
  return ok, why, sentence
end

local function some(entries)
  return entries and entries[1] ~= nil and entries or nil
end

local function file_of(calendar)
  return {
    content = calendar.content, filename = calendar.filename,
    type = message.set_param("application/ics", "name", calendar.filename),
  }
end

local function add_body(m, opts)
  local calendar = calendar_of(opts)
  local forms, inline, attachments = forms_of(opts, calendar), some(opts.inline), some(opts.attachments)
  if not (attachments or calendar) then return add_forms(m, forms, inline) end
  local ok, why, sentence = parts.contain(m, "mixed")
  if ok then ok, why, sentence = attach_new(m, add_forms, forms, inline) end
  if ok and attachments then ok, why, sentence = attach_entries(m, "mixed", attachments) end
  if ok and calendar then ok, why, sentence = attach_entries(m, "mixed", { file_of(calendar) }) end
  return ok, why, sentence
end

--- A message of the options of Message, which are checked.
---@param opts smtplib.email.MessageOptions
---@return userdata|nil message, string|nil why, string|nil sentence
function compose.message(opts)
  check(opts)
  local m = message.new()
  local ok, why, sentence = add_headers(m, opts)
  if ok then ok, why, sentence = add_body(m, opts) end
  if ok then return m end
  if why == "misuse" then misuse.raise(sentence) end
  return nil, why, sentence
end

return compose
