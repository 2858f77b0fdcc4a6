-- Transfer encodings that a caller asks for: the payload is held encoded, the
-- field says how, and the writer leaves both alone. Where nobody asks, the writer
-- chooses the encoding, and what is held is the content itself.

local charsets = require "smtplib.email.charsets"
local core = require "smtplib.core"

local message = core.message

local transfer = {}

local function same(bytes) return bytes end

-- Line ends of text are lines of the encoding; in what has to arrive byte for byte
-- they are bytes like others.
local function quoted_printable(bytes, exact)
  if not exact then bytes = bytes:gsub("\r\n?", "\n") end
  return require("smtplib.quopri").encode(bytes, { eol = "\n", text = not exact })
end

local encode = {
  ["7bit"] = same,
  ["8bit"] = same,
  base64 = function(bytes) return require("smtplib.base64").encodebytes(bytes) end,
  ["quoted-printable"] = quoted_printable,
}

local function is_wide(m)
  local charset = message.param(message.get(m, "Content-Type") or "", "charset")
  return charset ~= nil and charsets.is_wide(charset:lower())
end

--- Hold the payload in that encoding. What comes from outside is read when it is
--- sent, so it can only be base64, as it is by itself.
---@param m userdata
---@param cte string # "base64", "quoted-printable", "7bit", "8bit"
---@param exact boolean # the content is no text, whose line ends may change
---@return boolean|nil ok, string|nil why, string|nil sentence
function transfer.apply(m, cte, exact)
  local kind = message.body(m)
  if kind == "parts" then return nil, "misuse", "a multipart is not encoded, but its parts are" end
  if kind == "fed" then
    if cte == "base64" then return message.choose(m) end
    return nil, "misuse", ("content that is read when it is sent is encoded as base64, not as %s"):format(cte)
  end
  local bytes = kind == "bytes" and message.content(m) or ""
  if cte == "7bit" and bytes:find("[\128-\255%z]") then
    return nil, "misuse", "the content is not 7bit"
  end
  if cte ~= "base64" and not exact and is_wide(m) then
    return nil, "misuse", "characters of several bytes each have no lines: they are encoded as base64"
  end
  local ok, why, sentence = message.set_bytes(m, encode[cte](bytes, exact), false)
  if not ok then return nil, why, sentence end
  return message.set(m, "Content-Transfer-Encoding", cte)
end

--- Whether it names an encoding that `apply` knows.
---@param cte string
---@return boolean
function transfer.is_known(cte)
  return encode[cte] ~= nil
end

return transfer
