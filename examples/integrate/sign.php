<?php
// Report a sale, signed: php sign.php ORDER AMOUNT CURRENCY [CLICK_ID]. Needs EDGE, ADVERTISER, KID, KEY.

$report = ['txn_id' => $argv[1], 'goal' => 'sale', 'amount' => $argv[2], 'currency' => $argv[3]];
if (isset($argv[4])) {
    $report['click_id'] = $argv[4];
}

$path = '/v1/conversions';
$body = json_encode($report);
$timestamp = (string) time();
$nonce = bin2hex(random_bytes(16));
$signed = "POST\n$path\n\n$timestamp\n$nonce\n$body";
$signature = hash_hmac('sha256', $signed, getenv('KEY'));

$answer = file_get_contents(getenv('EDGE') . $path, false, stream_context_create(['http' => [
    'method' => 'POST',
    'content' => $body,
    'timeout' => 20,
    'ignore_errors' => true,
    'header' => [
        'Content-Type: application/json',
        'X-Afflux-Advertiser: ' . getenv('ADVERTISER'),
        'X-Afflux-Key: ' . getenv('KID'),
        "X-Afflux-Timestamp: $timestamp",
        "X-Afflux-Nonce: $nonce",
        "X-Afflux-Signature: $signature",
    ],
]]));
echo $answer, "\n";
exit($answer !== false && json_decode($answer)->code === 200 ? 0 : 1);
