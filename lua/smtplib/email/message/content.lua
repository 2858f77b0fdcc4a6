-- The methods of Message that Python's EmailMessage adds: content with the fields
-- that it needs, parts beside it, containers made as they are needed.

local core = require "smtplib.core"
local check = require "smtplib.email.check"
local content = require "smtplib.email.content"
local fields = require "smtplib.email.fields"
local parts = require "smtplib.email.parts"

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

local content_options = {
  type = true, subtype = true, charset = true, filename = true, cid = true, disposition = true,
  headers = true, params = true,
}

local function check_content(name, value, opts, level)
  if not message.is(value) and not content.is_content(value) then
    fail(name, "content", "string, Message, {path=} or source", value, level + 1)
  end
  for key in pairs(opts) do
    if not content_options[key] then error(("unknown option '%s'"):format(tostring(key)), level + 1) end
  end
end

--- Replace the payload by text (or other content) with the fields it needs.
---@param value string|table|function
---@param opts table|nil # type, subtype, charset, filename, cid, disposition, headers, params
function methods:set_content(value, opts)
  opts = opts or {}
  check_content("set_content", value, opts, 2)
  local kind = opts.type or "text/"
  if type(value) == "string" and kind:lower():match("^text/") and not value:match("\n$") then value = value .. "\n" end
  methods.clear_content(self)
  insist(2, parts.fill(self, value, opts))
  insist(2, fields.add_new(self, "MIME-Version", "1.0"))
end

---@return string|userdata|nil # text or bytes, decoded; the message in a message/rfc822
function methods:get_content()
  if self:get_content_maintype() == "message" and self:is_multipart() then return self:get_payload(1) end
  return self:get_payload(nil, true)
end

function methods:make_mixed() insist(2, parts.convert(self, "mixed")) end
function methods:make_alternative() insist(2, parts.convert(self, "alternative")) end
function methods:make_related() insist(2, parts.convert(self, "related")) end

local function add_part(m, subtype, name, value, opts)
  opts = opts or {}
  check_content(name, value, opts, 3)
  insist(3, parts.add(m, subtype, value, opts))
end

--- Add a part beside the others: a string, Message, {path=} or source.
---@param value string|userdata|table|function
---@param opts table|nil # type, filename, cid, disposition, headers
function methods:add_attachment(value, opts) add_part(self, "mixed", "add_attachment", value, opts) end

--- Add another form of the same text, better than those before it.
function methods:add_alternative(value, opts) add_part(self, "alternative", "add_alternative", value, opts) end

--- Add what the first part refers to (an image by its cid).
function methods:add_related(value, opts) add_part(self, "related", "add_related", value, opts) end
