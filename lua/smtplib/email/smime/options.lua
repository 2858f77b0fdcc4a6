-- Options of S/MIME: checked, in the name of the caller's line; files are read
-- where the caller named them, and nowhere else.

local errors = require "smtplib.errors"
local misuse = require "smtplib.misuse"

local options = {}

-- Raise unless `opts` is a table of known names with values of their types.
function options.check(func, opts, known)
  misuse.check(opts, "table", "options", func)
  for name, value in pairs(opts) do
    local types = known[name]
    if not types then misuse.raise(("unknown option '%s'"):format(tostring(name))) end
    misuse.check(value, types, name, func)
    if type(value) == "table" then
      if not misuse.is_array(value) or #value == 0 then
        misuse.argument(name, func, "an array of strings without holes expected")
      end
      for _, entry in ipairs(value) do misuse.check(entry, "string", name, func) end
    end
  end
end

local function read_file(path)
  local file, why = io.open(path, "rb")
  if not file then return nil, errors.from_core("source", why) end
  local bytes
  bytes, why = file:read("*a")
  file:close()
  if not bytes then return nil, errors.from_core("source", ("%s: %s"):format(path, why)) end
  return bytes
end

--- The PEM texts of `opts[name]` (a string or an array of them) and of the files
--- `opts[file_name]` likewise.
---@return string[]|nil texts, table|nil err
function options.texts(opts, name, file_name)
  local texts = {}
  local given, paths = opts[name], opts[file_name]
  for _, text in ipairs(type(given) == "string" and { given } or given or {}) do texts[#texts + 1] = text end
  for _, path in ipairs(type(paths) == "string" and { paths } or paths or {}) do
    local text, err = read_file(path)
    if not text then return nil, err end
    texts[#texts + 1] = text
  end
  return texts
end

local function one(func, opts, name, file_name)
  if opts[name] and opts[file_name] then
    misuse.argument(file_name, func, ("beside '%s': one of them expected"):format(name))
  end
  local texts, err = options.texts(opts, name, file_name)
  if not texts then return nil, err end
  return texts[1], nil
end

--- Certificate and key as PEM; the key may stand in the certificate's text.
---@return string|nil cert, string|table key_or_err
function options.identity(func, opts)
  if not (opts.cert or opts.certfile) then misuse.argument("cert", func, "string expected, got no value") end
  local cert, key, err
  cert, err = one(func, opts, "cert", "certfile")
  if not cert then return nil, err end
  key, err = one(func, opts, "key", "keyfile")
  if err then return nil, err end
  return cert, key or cert
end

return options
