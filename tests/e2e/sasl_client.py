"""libsasl2's own client (libmemcached's, for one), with a channel to bind its log-in to."""

import ctypes

_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(ctypes.c_char_p),
                             ctypes.POINTER(ctypes.c_uint))
_SECRET_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int,
                                    ctypes.POINTER(ctypes.c_void_p))
OK, CONTINUE = 0, 1
_CB_USER, _CB_AUTHNAME, _CB_PASS = 0x4001, 0x4002, 0x4004
_CHANNEL_BINDING = 21


class _Callback(ctypes.Structure):
    _fields_ = [("id", ctypes.c_ulong), ("function", ctypes.c_void_p), ("context", ctypes.c_void_p)]


class _Binding(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("critical", ctypes.c_int), ("size", ctypes.c_ulong), ("data", ctypes.c_char_p)]


class _Secret(ctypes.Structure):
    _fields_ = [("size", ctypes.c_ulong), ("data", ctypes.c_char * 256)]


class SaslFailure(Exception):
    """libsasl2 does not want to go on."""


class SaslClient:
    """One exchange. `binding` is (type, data), used where the server lists a -PLUS."""

    _library = None

    def __init__(self, user, password, binding=None):
        if SaslClient._library is None:
            SaslClient._library = ctypes.CDLL("libsasl2.so.2")
            if SaslClient._library.sasl_client_init(None) != OK:
                raise SaslFailure("sasl_client_init")
        self.sasl = SaslClient._library
        self.user = user
        secret = _Secret(len(password), password)

        def get_name(_context, _id, result, size):
            result[0] = self.user
            if size:
                size[0] = len(self.user)
            return OK

        def get_secret(_connection, _context, _id, result):
            result[0] = ctypes.addressof(secret)
            return OK
        self.kept = [_CALLBACK(get_name), _SECRET_CALLBACK(get_secret), secret]
        name, password_function = (ctypes.cast(function, ctypes.c_void_p) for function in self.kept[:2])
        self.callbacks = (_Callback * 4)(_Callback(_CB_USER, name, None), _Callback(_CB_AUTHNAME, name, None),
                                         _Callback(_CB_PASS, password_function, None), _Callback(0, None, None))
        self.connection = ctypes.c_void_p()
        self._check("sasl_client_new", self.sasl.sasl_client_new(
            b"memcached", b"localhost", None, None, self.callbacks, 0, ctypes.byref(self.connection)))
        if binding:
            kind, data = binding
            self.binding = _Binding(kind, 0, len(data), data)
            self._check("sasl_setprop", self.sasl.sasl_setprop(self.connection, _CHANNEL_BINDING,
                                                               ctypes.byref(self.binding)))

    @staticmethod
    def _check(what, result):
        if result not in (OK, CONTINUE):
            raise SaslFailure(f"{what}: {result}")

    def start(self, mechanisms):
        """(the mechanism it names, its first message)"""
        message, size, name = ctypes.c_void_p(), ctypes.c_uint(), ctypes.c_char_p()
        self._check("sasl_client_start", self.sasl.sasl_client_start(
            self.connection, mechanisms, None, ctypes.byref(message), ctypes.byref(size), ctypes.byref(name)))
        return name.value, ctypes.string_at(message, size.value)

    def step(self, challenge):
        message, size = ctypes.c_void_p(), ctypes.c_uint()
        self._check("sasl_client_step", self.sasl.sasl_client_step(
            self.connection, challenge, len(challenge), None, ctypes.byref(message), ctypes.byref(size)))
        return ctypes.string_at(message, size.value) if message.value else b""

    def close(self):
        self.sasl.sasl_dispose(ctypes.byref(self.connection))
