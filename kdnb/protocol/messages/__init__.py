"""The payloads of KD packets, one module for each packet type or group of APIs.

Each fixed structure is declared once; `kdnb.protocol.codec` finds the right one for a payload.
"""
