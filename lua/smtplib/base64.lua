-- Base64: whole strings and streams. The C core does the work; here options
-- are checked and refusals become error tables.
local core = require "smtplib.core"
local stream = require "smtplib.stream"

local base64 = {}

local check = stream.check

---One line of base64, without a line end.
---@param s string
---@return string
function base64.encode(s)
  check("string", s, "s", "encode")
  return core.base64_encode(s)
end

---Lines of base64 as in a MIME body, each ended by `eol`, the last one too.
---@param s string
---@param maxlinelen? integer characters a line, default 76; rounded down to a multiple of 4
---@param eol? string         default "\n"; "" gives one line without an end
---@return string
function base64.encodebytes(s, maxlinelen, eol)
  check("string", s, "s", "encodebytes")
  check("optional number", maxlinelen, "maxlinelen", "encodebytes")
  check("optional string", eol, "eol", "encodebytes")
  return core.base64_encode(s, stream.width(maxlinelen or 76, "encodebytes"), eol or "\n")
end

local decode_options = { strict = "optional boolean" }

---What `s` encodes. Leniently, what is outside the alphabet is skipped and what
---follows the padding is ignored; only a last group that is cut short is
---refused. `strict` refuses all that does not belong, line ends too.
---@param s string
---@param options? {strict: boolean}
---@return string? bytes
---@return table? err
function base64.decode(s, options)
  check("string", s, "s", "decode")
  options = stream.options(options, decode_options, "decode")
  return stream.result(core.base64_decode(s, options.strict))
end

---As `decode` without options: the counterpart of `encodebytes`.
---@param s string
---@return string? bytes
---@return table? err
function base64.decodebytes(s)
  check("string", s, "s", "decodebytes")
  return stream.result(core.base64_decode(s, false))
end

---An encoder in pieces: `update(chunk)` and `final()` each return text, which
---joined is that of `encode`, or of `encodebytes` when a width is given.
---@param maxlinelen? integer
---@param eol? string at most 16 bytes
---@return smtplib.stream
function base64.encoder(maxlinelen, eol)
  check("optional number", maxlinelen, "maxlinelen", "encoder")
  check("optional string", eol, "eol", "encoder")
  if eol and #eol > 16 then error("bad argument 'eol' to 'encoder' (longer than 16 bytes)", 2) end
  local width = maxlinelen and stream.width(maxlinelen, "encoder")
  return stream.new(core.base64_encoder(width, eol), "smtplib.base64.encoder")
end

---A decoder in pieces: `update(chunk)` and `final()` each return bytes, or nil
---and an error table.
---@param options? {strict: boolean}
---@return smtplib.stream
function base64.decoder(options)
  options = stream.options(options, decode_options, "decoder")
  return stream.new(core.base64_decoder(options.strict), "smtplib.base64.decoder")
end

return base64
