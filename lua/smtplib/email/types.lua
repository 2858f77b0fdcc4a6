-- Content types by the extension of a file's name: what people attach.

local types = {
  ["7z"] = "application/x-7z-compressed", aac = "audio/aac", avif = "image/avif",
  bin = "application/octet-stream", bmp = "image/bmp", bz2 = "application/x-bzip2",
  css = "text/css", csv = "text/csv", doc = "application/msword",
  docx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
  eml = "message/rfc822", eps = "application/postscript", epub = "application/epub+zip",
  flac = "audio/flac", gif = "image/gif", gz = "application/gzip", heic = "image/heic",
  htm = "text/html", html = "text/html", ico = "image/vnd.microsoft.icon", ics = "text/calendar",
  jpe = "image/jpeg", jpeg = "image/jpeg", jpg = "image/jpeg", js = "text/javascript",
  json = "application/json", log = "text/plain", lua = "text/x-lua", m4a = "audio/mp4",
  md = "text/markdown", mkv = "video/x-matroska", mov = "video/quicktime", mp3 = "audio/mpeg",
  mp4 = "video/mp4", mpeg = "video/mpeg", odp = "application/vnd.oasis.opendocument.presentation",
  ods = "application/vnd.oasis.opendocument.spreadsheet", odt = "application/vnd.oasis.opendocument.text",
  oga = "audio/ogg", ogg = "audio/ogg", ogv = "video/ogg", opus = "audio/opus",
  otf = "font/otf", p7m = "application/pkcs7-mime", p7s = "application/pkcs7-signature",
  pdf = "application/pdf", png = "image/png", ppt = "application/vnd.ms-powerpoint",
  pptx = "application/vnd.openxmlformats-officedocument.presentationml.presentation",
  ps = "application/postscript", rar = "application/vnd.rar", rtf = "application/rtf",
  svg = "image/svg+xml", tar = "application/x-tar", tgz = "application/gzip", tif = "image/tiff",
  tiff = "image/tiff", ttf = "font/ttf", txt = "text/plain", vcf = "text/vcard", wav = "audio/wav",
  webm = "video/webm", webp = "image/webp", woff = "font/woff", woff2 = "font/woff2",
  xhtml = "application/xhtml+xml", xls = "application/vnd.ms-excel",
  xlsx = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
  xml = "application/xml", yaml = "application/yaml", yml = "application/yaml",
  zip = "application/zip", zst = "application/zstd",
}

local M = {}

--- The type that a file name suggests.
---@param name string|nil
---@return string # "application/octet-stream" when nothing is known
function M.guess(name)
  local extension = name and name:match("%.([%w]+)$")
  local guessed = extension and types[extension:lower()] or "application/octet-stream"
  -- A message in a file goes as data: message/rfc822 allows no base64.
  return guessed == "message/rfc822" and "application/octet-stream" or guessed
end

--- The last part of a path.
---@param path string
---@return string
function M.basename(path)
  return path:match("([^/\\]+)[/\\]*$") or path
end

return M
