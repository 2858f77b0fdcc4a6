-- Quoted-printable: whole strings and streams. The C core does the work; here
-- options are checked and refusals become error tables.
local core = require "smtplib.core"
local stream = require "smtplib.stream"

local quopri = {}

local check = stream.check

local encode_options = { text = "optional boolean", header = "optional boolean", eol = "optional string" }
local decode_options = { strict = "optional boolean", header = "optional boolean" }

-- Text, header and line end as the core takes them.
local function unpack_options(options, func)
  local eol = options.eol
  if eol and eol ~= "\n" and eol ~= "\r\n" then
    error(("bad option 'eol' to '%s' (\"\\n\" or \"\\r\\n\" expected)"):format(func), 3)
  end
  return options.text ~= false, options.header, eol
end

---Quoted-printable in lines of at most 76 characters; no line end is added.
---`text` (default true): LF and CRLF are line breaks, else they are encoded. A
---lone CR is always encoded. `header`: space becomes "_". `eol`: what all line
---breaks become; by default they stay, and soft ones are like the first of them.
---@param s string
---@param options? {text: boolean, header: boolean, eol: string}
---@return string
function quopri.encode(s, options)
  check("string", s, "s", "encode")
  options = stream.options(options, encode_options, "encode")
  return core.quopri_encode(s, unpack_options(options, "encode"))
end

---What `s` encodes. Leniently, a "=" that begins nothing stands for itself;
---white space before a line end is deleted. `header`: "_" is a space.
---@param s string
---@param options? {strict: boolean, header: boolean}
---@return string? bytes
---@return table? err
function quopri.decode(s, options)
  check("string", s, "s", "decode")
  options = stream.options(options, decode_options, "decode")
  return stream.result(core.quopri_decode(s, options.header, options.strict))
end

---An encoder in pieces, with the options of `encode`. Without `eol`, soft
---breaks before the text's first line break are "\n".
---@param options? {text: boolean, header: boolean, eol: string}
---@return smtplib.stream
function quopri.encoder(options)
  options = stream.options(options, encode_options, "encoder")
  return stream.new(core.quopri_encoder(unpack_options(options, "encoder")), "smtplib.quopri.encoder")
end

---A decoder in pieces, with the options of `decode`.
---@param options? {strict: boolean, header: boolean}
---@return smtplib.stream
function quopri.decoder(options)
  options = stream.options(options, decode_options, "decoder")
  return stream.new(core.quopri_decoder(options.header, options.strict), "smtplib.quopri.decoder")
end

return quopri
