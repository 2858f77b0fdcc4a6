-- The methods of Message that Python's EmailMessage adds: content with the fields
-- that it needs, parts beside it, containers made as they are needed.

local core = require "smtplib.core"
local charsets = require "smtplib.email.charsets"
local check = require "smtplib.email.check"
local content = require "smtplib.email.content"
local errors = require "smtplib.errors"
local fields = require "smtplib.email.fields"
local parts = require "smtplib.email.parts"
local typing = require "smtplib.email.message.typing"

local message = core.message
local methods = message.methods
local fail, insist = check.fail, check.insist

--- Remove the payload and the fields that describe it.
function methods:clear_content()
  for _, name in ipairs(self:keys()) do
    if name:lower():match("^content%-") then message.remove(self, name) end
  end
  methods.set_payload(self, nil)
end

--- Remove all fields and the payload.
function methods:clear()
  for _, name in ipairs(self:keys()) do message.remove(self, name) end
  methods.set_payload(self, nil)
end

-- The options, checked, with those that are shorter ways to say `type` resolved.
local function options_of(name, value, given, level)
  if not message.is(value) and not content.is_content(value) then
    fail(name, "content", "string, Message, {path=} or source", value, level + 1)
  end
  if type(given) == "string" then given = { [given:find("/", 1, true) and "type" or "subtype"] = given } end
  if given ~= nil and type(given) ~= "table" then fail(name, "opts", "table", given, level + 1) end
  local opts, why = parts.options(value, given or {})
  if not opts then error(why, level + 1) end
  return opts
end

---@class smtplib.email.ContentOptions
---@field type string|nil # "text/html"; else by the file name, else text/plain
---@field maintype string|nil # with subtype, instead of type
---@field subtype string|nil # of text, unless there is a maintype
---@field charset string|nil # text is converted to it; utf-8
---@field params table<string, string>|nil # further parameters of Content-Type
---@field cte string|nil # "7bit", "8bit", "quoted-printable", "base64": instead of the best one
---@field flowed boolean|nil # format=flowed (RFC 3676)
---@field disposition string|nil # "attachment" or "inline"
---@field filename string|nil
---@field cid string|nil # Content-ID, with or without its brackets
---@field length integer|nil # bytes that a function source will give
---@field headers table<string, string>|nil # further fields

--- Replace the payload by text (or other content) with the fields it needs.
---@param value string|userdata|table|function
---@param opts smtplib.email.ContentOptions|string|nil # or a subtype of text, or a type
function methods:set_content(value, opts)
  opts = options_of("set_content", value, opts, 2)
  methods.clear_content(self)
  insist(2, parts.fill(self, parts.with_newline(value, opts), opts))
  insist(2, fields.add_new(self, "MIME-Version", "1.0"))
end

local many = "a multipart has no content of its own: ask get_body() or iter_parts() for a part of it"

--- The content: text in UTF-8, bytes, or the message in a message/rfc822; nil and
--- an error for a multipart.
---@return string|userdata|nil content, table|nil err
function methods:get_content()
  local kind = self:get_content_maintype()
  if self:is_multipart() then
    if kind == "message" then return self:get_payload(1) end
    return nil, errors.SMTPException(many)
  end
  local bytes, err = self:get_payload(nil, true)
  if kind ~= "text" or not bytes then return bytes, err end
  return charsets.decode(bytes, self:get_content_charset())
end

-- A multipart of that subtype around what there is.
local function make(m, subtype, boundary)
  if boundary ~= nil then check.string("make_" .. subtype, "boundary", boundary, 3) end
  insist(3, parts.convert(m, subtype))
  if boundary then typing.set_boundary(m, boundary, "make_" .. subtype, 3) end
end

--- Make it a multipart/mixed; what it was becomes the first part.
---@param boundary string|nil
function methods:make_mixed(boundary) make(self, "mixed", boundary) end

--- Make it a multipart/alternative; what it was becomes the first part.
---@param boundary string|nil
function methods:make_alternative(boundary) make(self, "alternative", boundary) end

--- Make it a multipart/related; what it was becomes the first part.
---@param boundary string|nil
function methods:make_related(boundary) make(self, "related", boundary) end

local function add_part(m, subtype, name, value, opts)
  opts = options_of(name, value, opts, 3)
  insist(3, parts.add(m, subtype, value, opts))
end

--- Add a part beside the others: a string, Message, {path=} or source.
---@param value string|userdata|table|function
---@param opts smtplib.email.ContentOptions|string|nil
function methods:add_attachment(value, opts) add_part(self, "mixed", "add_attachment", value, opts) end

--- Add another form of the same text, better than those before it.
---@param value string|userdata|table|function
---@param opts smtplib.email.ContentOptions|string|nil
function methods:add_alternative(value, opts) add_part(self, "alternative", "add_alternative", value, opts) end

--- Add what the first part refers to (an image by its cid).
---@param value string|userdata|table|function
---@param opts smtplib.email.ContentOptions|string|nil
function methods:add_related(value, opts) add_part(self, "related", "add_related", value, opts) end
