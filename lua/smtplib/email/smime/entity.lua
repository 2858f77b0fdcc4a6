-- The MIME entity that a message is to be signed as: its Content- fields and
-- its body, in a message of its own, so that the one given stays as it is until
-- nothing can fail any more.
--
-- A signature covers bytes, so text is given the form here in which it arrives
-- unchanged everywhere (RFC 8551 section 3.1.3): 7-bit, no blanks at the end of
-- a line, no line that begins with "From ".

local core = require "smtplib.core"
local content = require "smtplib.email.content"
local output = require "smtplib.email.output"
local parts = require "smtplib.email.parts"

local message = core.message

local M = {}

local function is_signed(m)
  return m:get_content_type() == "multipart/signed"
end

-- Fields.

local ENCODING = "content-transfer-encoding"

local function copy_field(m, to, name, text, is_first)
  local lower = name:lower()
  -- A boundary that the header does not name is the writer's.
  local unfinished = lower == "content-type" and message.body(m) == "parts" and not message.param(text, "boundary")
  if not is_first or unfinished then return message.add(to, name, text) end
  local raw, why, sentence = message.raw(m, name)
  if not raw then return nil, why, sentence end
  return message.add_raw(to, name, " " .. raw)
end

-- All fields, or those of the content; without an encoding that is the writer's
-- to choose.
local function copy_fields(m, to, only_content)
  local seen = {}
  for i = 1, message.count(m) do
    local name, text = message.field(m, i)
    local lower = name:lower()
    local chosen = lower == ENCODING and not message.is_encoded(m)
    if not chosen and (lower:match("^content%-") or not only_content) then
      local ok, why, sentence = copy_field(m, to, name, text, not seen[lower])
      if not ok then return nil, why, sentence end
    end
    seen[lower] = true
  end
  return true
end

-- Text.

local function is_fragile(text)
  return text:find("^From ") or text:find("\nFrom ", 1, true) or text:find("[ \t]\r?\n") or text:find("[ \t]$")
end

-- No line of quoted-printable begins with "From ", nor is it longer than 76.
local function protect(encoded)
  return ((("\n" .. encoded):gsub("\nFrom ([^\n]*)", function(rest)
    return #rest > 69 and "\n=46rom =\n" .. rest or "\n=46rom " .. rest
  end)):sub(2))
end

local identity = { ["7bit"] = true, ["8bit"] = true, ["binary"] = true }

-- Whether the body of a part is text as it stands, to be encoded here at will.
local function is_open(m)
  local kind = m:get_content_type()
  if kind:match("^multipart/") or kind:match("^message/") then return false end
  return not message.is_encoded(m) or identity[message.get(m, ENCODING):lower():match("^%s*(%S*)")]
end

-- The body in a form that survives, and the name of that: nil when it has it.
local function encode(m, text)
  local kind = message.get(m, "Content-Type") or "text/plain"
  local scratch = message.new()
  local ok, why, sentence = message.add(scratch, "Content-Type", kind)
  if ok then ok, why, sentence = message.set_bytes(scratch, text, false) end
  if ok then ok, why, sentence = message.choose(scratch) end
  if not ok then return nil, why, sentence end
  local encoding = message.get(scratch, ENCODING)
  if encoding == "7bit" then
    if not is_fragile(text) or not m:get_content_type():match("^text/") then return false end
    return protect(core.quopri_encode(text:gsub("\r\n?", "\n"), true, false, "\n")), "quoted-printable"
  end
  local written, err = output.as_string(scratch, {})
  if not written then return nil, "smime", err.message end
  local body = written:match("\n\n(.*)$")
  return encoding == "quoted-printable" and protect(body) or body, encoding
end

-- The type of a part whose text is encoded here, as the writer would mend it.
local function name_charset(to, text)
  local kind = message.get(to, "Content-Type")
  if kind and (not kind:lower():match("^%s*text/") or message.param(kind, "charset")) then return true end
  local charset = text:find("[\128-\255]") and "utf-8" or "us-ascii"
  if kind and charset == "us-ascii" then return true end
  return message.set(to, "Content-Type", message.set_param(kind or "text/plain", "charset", charset))
end

local function set_encoded(to, body, encoding)
  message.remove(to, ENCODING)
  local ok, why, sentence = message.add_raw(to, "Content-Transfer-Encoding", " " .. encoding)
  if not ok then return nil, why, sentence end
  return message.set_bytes(to, body, false)
end

-- Bodies.

local function copy_bytes(m, to, bytes, exact)
  local ok, why, sentence, body, encoding = true, nil, nil, false, nil
  if not exact and is_open(m) then
    body, encoding, sentence = encode(m, bytes)
    if body == nil then return nil, encoding, sentence end
    ok, why, sentence = name_charset(to, bytes)
  end
  if not ok then return nil, why, sentence end
  if body then return set_encoded(to, body, encoding) end
  return message.set_bytes(to, bytes, exact)
end

local settle

-- The parts of `m`, each as it has to be; and whether any of them is new.
local function settle_parts(m, count)
  local data, list, changed = message.data(m), {}, false
  for i = 1, count do
    local part, why, sentence = settle(data[i])
    if not part then return nil, why, sentence end
    list[i] = part
    changed = changed or part ~= data[i]
  end
  return list, changed
end

local function copy_around(m, to)
  local ok, why, sentence = message.preamble(to, message.preamble(m) or false)
  if ok then ok, why, sentence = message.epilogue(to, message.epilogue(m) or false) end
  return ok, why, sentence
end

local function copy_with(m, fill, ...)
  local copy = message.new()
  local ok, why, sentence = copy_fields(m, copy)
  if ok then ok, why, sentence = fill(m, copy, ...) end
  if not ok then return nil, why, sentence end
  return copy
end

local function set_parts(m, to, list)
  local ok, why, sentence = parts.set(to, list)
  if not ok then return nil, why, sentence end
  return copy_around(m, to)
end

-- The part itself when it arrives unchanged, else a copy that does. What was
-- signed before, and the messages inside, are not touched.
function settle(part)
  local kind, value, exact = message.body(part)
  if kind == "bytes" and not exact and is_open(part) then
    local body, encoding, sentence = encode(part, value)
    if body == nil then return nil, encoding, sentence end
    return body and copy_with(part, copy_bytes, value, exact) or part
  end
  if kind ~= "parts" or is_signed(part) or not part:get_content_type():match("^multipart/") then return part end
  local list, changed, sentence = settle_parts(part, value)
  if not list then return nil, changed, sentence end
  return changed and copy_with(part, set_parts, list) or part
end

local function copy_parts(m, to, count)
  if is_signed(m) or not m:get_content_type():match("^multipart/") then
    local list = {}
    for i = 1, count do list[i] = message.data(m)[i] end
    return set_parts(m, to, list)
  end
  local list, why, sentence = settle_parts(m, count)
  if not list then return nil, why, sentence end
  return set_parts(m, to, list)
end

local function copy_fed(m, to)
  local data, into = message.data(m), message.data(to)
  into.source, into.start, into.is_spent = data.source, data.start, data.is_spent
  message.set_fed(to)
  return true
end

--- The content of `m` as an entity of its own, safe to sign.
---@return userdata|nil entity, string|nil why, string|nil sentence
function M.new(m)
  local to = message.new()
  local ok, why, sentence = copy_fields(m, to, true)
  if not ok then return nil, why, sentence end
  local kind, value, exact = message.body(m)
  if kind == "parts" then
    ok, why, sentence = copy_parts(m, to, value)
  elseif kind == "fed" then
    ok, why, sentence = copy_fed(m, to)
  else
    ok, why, sentence = copy_bytes(m, to, value or "", exact or false)
  end
  if not ok then return nil, why, sentence end
  return to
end

--- Whether all content can be read twice: to sign it, and to send it.
function M.reads_twice(m)
  local kind, count = message.body(m)
  if kind == "fed" then
    local source = message.data(m).source
    if io.type(source) == "file" then return source:seek() ~= nil and content.is_repeatable(m) end
    return type(source) ~= "function"
  end
  for i = 1, kind == "parts" and count or 0 do
    if not M.reads_twice(message.data(m)[i]) then return false end
  end
  return true
end

return M
