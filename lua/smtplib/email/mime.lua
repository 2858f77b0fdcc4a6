-- Python's classes of email.mime as constructors of Messages: MIMEText and its
-- like. Each takes its arguments in Python's order, or one table of them by name
-- (with or without Python's underscore), where what is no argument is an error.
-- Content is given as it is: transfer encodings are the writer's to choose.

local core = require "smtplib.core"
local encoders = require "smtplib.email.encoders"
local misuse = require "smtplib.misuse"
local parts = require "smtplib.email.parts"

local message = core.message

local mime = {}

-- Positional arguments and options as one table; `names` are {name, types} each,
-- without types where the caller checks.
local function arguments(func, names, ...)
  local first, given = ..., {}
  local by_name = type(first) == "table" and not message.is(first) and select("#", ...) == 1
  if not by_name then
    for i, entry in ipairs(names) do given[entry[1]] = (select(i, ...)) end
    if select("#", ...) > #names then misuse.raise(("too many arguments to '%s'"):format(func)) end
  end
  local known = {}
  for _, entry in ipairs(names) do known[entry[1]] = entry[2] or "" end
  for name, value in pairs(by_name and first or {}) do
    local short = type(name) == "string" and name:gsub("^_", "") or name
    if not known[short] then misuse.raise(("unknown option '%s'"):format(tostring(name))) end
    given[short] = value
  end
  for name, value in pairs(given) do
    if known[name] ~= "" then misuse.check(value, known[name], name, func) end
  end
  return given
end

local function require_one(func, given, name, expected)
  if given[name] == nil then misuse.argument(name, func, expected .. " expected, got no value") end
end

-- What the tree refuses is the caller's doing.
local function insist(ok, _, sentence)
  if not ok then misuse.raise(sentence) end
end

local function typed(func, kind, params)
  if not message.is_type(kind) then misuse.argument("subtype", func, ("'%s' is no type"):format(kind)) end
  for _, param in ipairs(parts.sorted(params)) do
    local changed, _, sentence = message.set_param(kind, param[1], param[2])
    if not changed then misuse.raise(sentence) end
    kind = changed
  end
  local m = message.new()
  insist(message.add(m, "Content-Type", kind))
  insist(message.add(m, "MIME-Version", "1.0"))
  return m
end

--- An empty part of that type.
---@param maintype string
---@param subtype string
---@param params table<string, string>|nil
---@return userdata
function mime.MIMEBase(...)
  local given = arguments("MIMEBase",
    { { "maintype", "string" }, { "subtype", "string" }, { "params", "table" } }, ...)
  require_one("MIMEBase", given, "maintype", "string")
  require_one("MIMEBase", given, "subtype", "string")
  return typed("MIMEBase", given.maintype .. "/" .. given.subtype, given.params)
end

--- The same; nothing can be attached to it once it has content.
mime.MIMENonMultipart = mime.MIMEBase

--- A container of parts.
---@param subtype string|nil # "mixed"
---@param boundary string|nil
---@param subparts userdata[]|nil
---@param params table<string, string>|nil
---@return userdata
function mime.MIMEMultipart(...)
  local given = arguments("MIMEMultipart",
    { { "subtype", "string" }, { "boundary", "string" }, { "subparts", "table" }, { "params", "table" } }, ...)
  local m = typed("MIMEMultipart", "multipart/" .. (given.subtype or "mixed"), given.params)
  if given.boundary then m:set_boundary(given.boundary) end
  insist(parts.set(m, {}))
  for _, part in ipairs(given.subparts or {}) do m:attach(part) end
  return m
end

--- Text in UTF-8, or in the charset that is named.
---@param text string
---@param subtype string|nil # "plain"
---@param charset string|nil
---@return userdata
function mime.MIMEText(...)
  local given = arguments("MIMEText", { { "text", "string" }, { "subtype", "string" }, { "charset", "string" } }, ...)
  require_one("MIMEText", given, "text", "string")
  local charset = given.charset or (given.text:find("[\128-\255]") and "utf-8" or "us-ascii")
  local m = typed("MIMEText", "text/" .. (given.subtype or "plain"))
  m:set_payload(given.text, charset)
  return m
end

local function data_part(func, maintype, default, ...)
  local given = arguments(func, {
    { "data", "string|table|function|userdata" }, { "subtype", "string" }, { "encoder", "function" },
    { "params", "table" },
  }, ...)
  require_one(func, given, "data", "bytes, {path=} or source")
  local subtype = given.subtype or default(given.data)
  if not subtype then misuse.argument("subtype", func, "the type cannot be told from the data: string expected") end
  local m = typed(func, maintype .. "/" .. subtype, given.params)
  m:set_payload(given.data)
  if given.encoder then
    given.encoder(m)
  else
    encoders.encode_base64(m)
  end
  return m
end

--- Application data.
---@param data string|table|function # bytes, {path=}, a source
---@param subtype string|nil # "octet-stream"
---@param encoder function|nil # of email.encoders; encode_base64
---@param params table<string, string>|nil
---@return userdata
function mime.MIMEApplication(...)
  return data_part("MIMEApplication", "application", function() return "octet-stream" end, ...)
end

local image_starts = {
  { "^\255\216\255", "jpeg" }, { "^\137PNG\r\n\26\n", "png" }, { "^GIF8[79]a", "gif" }, { "^[MI][MI]", "tiff" },
  { "^RIFF....WEBP", "webp" }, { "^BM", "bmp" },
}
local audio_starts = {
  { "^RIFF....WAVE", "x-wav" }, { "^%.snd", "basic" }, { "^FORM....AIF[FC]", "x-aiff" }, { "^OggS", "ogg" },
  { "^ID3", "mpeg" }, { "^fLaC", "flac" },
}

local function by_start(starts)
  return function(data)
    for _, start in ipairs(type(data) == "string" and starts or {}) do
      if data:find(start[1]) then return start[2] end
    end
  end
end

--- An image; its subtype is told from its first bytes unless it is given.
function mime.MIMEImage(...)
  return data_part("MIMEImage", "image", by_start(image_starts), ...)
end

--- A sound, likewise.
function mime.MIMEAudio(...)
  return data_part("MIMEAudio", "audio", by_start(audio_starts), ...)
end

--- A message within a message.
---@param message userdata
---@param subtype string|nil # "rfc822"
---@return userdata
function mime.MIMEMessage(...)
  local given = arguments("MIMEMessage", { { "message" }, { "subtype", "string" } }, ...)
  if not message.is(given.message) then
    misuse.argument("message", "MIMEMessage", "Message expected, got " .. type(given.message))
  end
  local m = typed("MIMEMessage", "message/" .. (given.subtype or "rfc822"))
  m:set_payload(given.message)
  return m
end

return mime
