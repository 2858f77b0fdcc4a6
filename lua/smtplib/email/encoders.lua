-- Python's email.encoders: the payload of a message held encoded, and its field
-- Content-Transfer-Encoding set; in place.

local core = require "smtplib.core"
local misuse = require "smtplib.misuse"
local transfer = require "smtplib.email.transfer"

local message = core.message

local encoders = {}

local function apply(func, m, cte)
  if not message.is(m) then misuse.argument("message", func, "Message expected, got " .. type(m)) end
  local ok, _, sentence = transfer.apply(m, cte, m:get_content_maintype() ~= "text")
  if not ok then misuse.raise(func .. ": " .. sentence) end
end

--- Base64.
---@param m userdata
function encoders.encode_base64(m)
  apply("encode_base64", m, "base64")
end

--- Quoted-printable.
---@param m userdata
function encoders.encode_quopri(m)
  apply("encode_quopri", m, "quoted-printable")
end

--- As it is, and named 8bit if it has bytes above 127, else 7bit.
---@param m userdata
function encoders.encode_7or8bit(m)
  if not message.is(m) then misuse.argument("message", "encode_7or8bit", "Message expected, got " .. type(m)) end
  local bytes = message.content(m) or ""
  apply("encode_7or8bit", m, bytes:find("[\128-\255]") and "8bit" or "7bit")
end

--- Nothing is done: the writer chooses.
---@param m userdata
function encoders.encode_noop(m)
  if not message.is(m) then misuse.argument("message", "encode_noop", "Message expected, got " .. type(m)) end
end

return encoders
