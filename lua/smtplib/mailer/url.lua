-- Where to send, as one string: smtp://user:password@host:port, smtps://, lmtp://,
-- lmtp:///path (RFC 3986; in user and password "%40" stands for "@").
local misuse = require "smtplib.misuse"

local url = {}

local schemes = {
  smtp = {},
  smtps = { tls = "implicit" },
  lmtp = { lmtp = true },
}

-- The text is not shown: it may hold a password.
local function refuse(why)
  misuse.argument("url", "Mailer", why)
end

local function decode(text)
  local decoded, count = text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
  local _, signs = text:gsub("%%", "")
  if signs ~= count or decoded:find("[%z\1-\31\127]") then refuse("a bad character in it") end
  return decoded
end

local function credentials(result, text)
  if not text then return end
  local user, password = text:match("^([^:]*)(.*)$")
  if user == "" then refuse("a user expected before the @") end
  result.user = decode(user)
  if password ~= "" then result.password = decode(password:sub(2)) end
end

---The options that a URL stands for. Raises for one that is none.
---@param text string
---@return table # host, tls, lmtp, user, password
function url.parse(text)
  local name, rest = text:match("^(%a+)://(.*)$")
  local scheme = name and schemes[name:lower()]
  if not scheme then refuse("smtp://, smtps:// or lmtp:// expected") end
  local result = {}
  for key, value in pairs(scheme) do result[key] = value end
  if rest:sub(1, 1) == "/" then
    result.host = decode(rest)
    return result
  end
  local authority, path = rest:match("^([^/?#]*)(.*)$")
  if path ~= "" and path ~= "/" then refuse("nothing expected behind the host and port") end
  local user, host = authority:match("^(.*)@([^@]*)$")
  credentials(result, user)
  result.host = decode(host or authority)
  if result.host == "" then refuse("a host name expected") end
  -- "smtp://me:password" without its host must not be shown as a bad port.
  local port = result.host:gsub("^%[.-%]", ""):match(":([^:]*)$")
  if port and not port:find("^%d+$") then refuse("a port number expected behind the host") end
  return result
end

return url
